"""``mellum/didMoveCaret``: a plugin tells where the caret stands, and the prompt there is evaluated early."""

from __future__ import annotations

from lsprotocol import types

from mellum_lsp.lsp.session import Session

METHOD = "mellum/didMoveCaret"


def caret_moved(session: Session, params: types.TextDocumentPositionParams) -> None:
    document = session.open_document(params.text_document.uri)
    if document is not None:
        session.warming.rests(document, params.position)
