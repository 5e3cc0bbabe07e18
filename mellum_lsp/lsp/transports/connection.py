"""One client's session as transports see it, and what they all keep to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

READ_BYTES = 64 * 1024
CLOSE_PATIENCE_SECONDS = 2.0
GRACE_SECONDS = 0.05
"""What a client wrote right behind its ``exit`` is still on its way: it is read and refused, not lost."""
MAX_UNSENT_BYTES = 256 * 1024 * 1024
MAX_UNSENT_MESSAGES = 100_000
"""A client that leaves this much unread is taken for dead."""


class Connection(Protocol):
    """One client's session, as a transport sees it."""

    def receive(self, body: bytes | str) -> None:
        """Take in a message."""

    async def finished(self) -> int:
        """Wait for ``exit`` and return the exit code."""

    async def close(self) -> None:
        """Answer what is open and let go of everything."""


Connect = Callable[[Callable[[bytes], None]], Connection]
"""Makes the session of a new client from the function that sends to it, which never blocks."""


async def first(finished: Awaitable[int], *events: asyncio.Event) -> int | None:
    """The exit code, or None where an event was set first."""
    exit_ = asyncio.ensure_future(finished)
    others = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait([exit_, *others], return_when=asyncio.FIRST_COMPLETED)
        return exit_.result() if exit_.done() else None
    finally:
        for task in (exit_, *others):
            task.cancel()
