"""``workspace/didChangeConfiguration``: the client's settings changed."""

from __future__ import annotations

from typing import Any

from mellum_lsp.lsp.session import Session


def changed(session: Session, params: Any) -> None:
    session.configuration.changed(params.get("settings") if isinstance(params, dict) else None)
