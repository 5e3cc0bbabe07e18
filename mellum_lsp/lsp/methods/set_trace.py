"""``$/setTrace``: whether the client wants to look into the server, see `mellum_lsp.lsp.tracing`."""

from __future__ import annotations

from lsprotocol import types

from mellum_lsp.lsp.session import Session


def set_trace(session: Session, params: types.SetTraceParams) -> None:
    session.tracing.set(params.value)
