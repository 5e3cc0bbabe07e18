"""``mellum/didMoveCaret``: a plugin tells where the caret stands, and the prompt there is evaluated early."""

from __future__ import annotations

from lsprotocol import types

from mellum_lsp.domain import Trigger
from mellum_lsp.lsp.session import Session

METHOD = "mellum/didMoveCaret"


def caret_moved(session: Session, params: types.TextDocumentPositionParams) -> None:
    """Only the newest place of a document is warmed."""
    document = session.open_document(params.text_document.uri)
    if document is None:
        return
    caret = session.caret(document, document.place(params.position), Trigger.AUTOMATIC)
    session.background.replace(("warm", document.uri), session.warm(caret), "warming")
