"""``notebookDocument/didOpen``, ``didChange`` and ``didClose``: cells are documents like others."""

from __future__ import annotations

import logging
from typing import Any

from lsprotocol import types

from mellum_lsp.lsp.session import Session

log = logging.getLogger(__name__)


def did_open(session: Session, params: types.DidOpenNotebookDocumentParams) -> None:
    session.notebooks.open(params)


def did_change(session: Session, params: types.DidChangeNotebookDocumentParams) -> None:
    for cell in session.notebooks.change(params):
        session.changed(cell)


def did_close(session: Session, params: types.DidCloseNotebookDocumentParams) -> None:
    for cell in params.cell_text_documents:
        if document := session.documents.get(cell.uri):
            session.forget(document)
    session.notebooks.close(params)


def lost_sync(session: Session, params: Any) -> None:
    """A change could not be read, so no cell of the notebook can be trusted any more."""
    identifier = params.get("notebookDocument") if isinstance(params, dict) else None
    uri = identifier.get("uri") if isinstance(identifier, dict) else None
    for document in session.documents:
        if isinstance(uri, str) and session.notebooks.notebook_of(document.uri) == uri:
            document.in_sync = False
            log.error("%s is out of step until the client sends its whole text again", document.uri)
