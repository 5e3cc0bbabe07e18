"""``textDocument/didOpen``, ``didChange``, ``didSave`` and ``didClose``."""

from __future__ import annotations

import logging
from typing import Any

from lsprotocol import types

from mellum_lsp.feedback.keystrokes import typed_characters
from mellum_lsp.lsp.session import Session

log = logging.getLogger(__name__)


def did_open(session: Session, params: types.DidOpenTextDocumentParams) -> None:
    document = session.documents.open(params.text_document)
    session.warming.opened(document)
    if path := session.path_of(document.uri):
        session.index_feed.opened(path, document)


def did_change(session: Session, params: types.DidChangeTextDocumentParams) -> None:
    identifier = params.text_document
    document = session.documents.change(identifier.uri, identifier.version, params.content_changes)
    if document is None:
        return
    by_hand = sum(typed_characters(change.text) for change in params.content_changes if _is_partial(change))
    session.feedback.typed(document.uri, document.language, by_hand)
    session.changed(document)
    if path := session.path_of(document.uri):
        session.index_feed.changed(path, document)


def _is_partial(change: types.TextDocumentContentChangeEvent) -> bool:
    """A whole text tells nothing of what was typed."""
    return isinstance(change, types.TextDocumentContentChangePartial)


def did_save(session: Session, params: types.DidSaveTextDocumentParams) -> None:
    """The index watches files itself; being told is quicker, and works where watching does not."""
    if path := session.path_of(params.text_document.uri):
        session.index_feed.files_changed([path])


def did_close(session: Session, params: types.DidCloseTextDocumentParams) -> None:
    document = session.documents.close(params.text_document.uri)
    if document is None:
        log.warning("ignored the closing of a document that is not open: %s", params.text_document.uri)
        return
    session.forget(document)
    if path := session.path_of(document.uri):
        session.index_feed.closed(path)


def lost_sync(session: Session, params: Any) -> None:
    """A change could not be read: without it the text is wrong, and silence better than a guess."""
    identifier = params.get("textDocument") if isinstance(params, dict) else None
    uri = identifier.get("uri") if isinstance(identifier, dict) else None
    document = session.documents.get(uri) if isinstance(uri, str) else None
    if document is not None:
        document.in_sync = False
        log.error("%s is out of step until the client sends its whole text again", document.uri)
