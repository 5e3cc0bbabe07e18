"""``mellum/status`` as a request: the object that the notification of the same name carries."""

from __future__ import annotations

from typing import Any

from mellum_lsp.lsp.session import Session

METHOD = "mellum/status"


def status(session: Session, params: Any) -> dict[str, Any]:
    return session.status_document()
