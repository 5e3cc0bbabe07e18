"""`mellum/status`: what the server is doing, as one object, told whenever it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["starting", "loading", "ready", "failed", "stopped"]

SETTLE_SECONDS = 0.05
"""Changes within this time are told together."""


@dataclass(slots=True)
class Status:
    """The session's own part; engine and index are asked when the object is made."""

    state: State = "starting"
    message: str = ""
    model: str = ""


class StatusReporter:
    """Tells the client of every change once, and of nothing that has not changed."""

    def __init__(self, observe: Callable[[], dict[str, Any]], tell: Callable[[dict[str, Any]], None]) -> None:
        self._observe = observe
        self._tell = tell
        self._told: dict[str, Any] | None = None
        self._scheduled: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Something may have changed; call it on the event loop, as often as you like."""
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._flush)

    def close(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()

    def _flush(self) -> None:
        self._scheduled = None
        now = self._observe()
        if now != self._told:
            self._told = now
            self._tell(now)
