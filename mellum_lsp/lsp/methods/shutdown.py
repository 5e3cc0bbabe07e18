"""``shutdown``, and the notifications that this server hears and needs not heed."""

from __future__ import annotations

from typing import Any

from mellum_lsp.lsp.protocol import Life
from mellum_lsp.lsp.session import Session


def shutdown(session: Session, params: Any) -> None:
    """What is under way is answered first; after this nothing but ``exit`` is served."""
    session.server.protocol.life = Life.SHUT_DOWN
    session.server.protocol.end_requests()


def ignore(session: Session, params: Any) -> None:
    """Nothing to do."""
