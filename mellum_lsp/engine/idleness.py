"""When an engine that nobody uses ends. Pure; the caller brings the time, in seconds of any clock."""

from __future__ import annotations

import math
from collections.abc import Hashable

from mellum_lsp.engine.settings import Lifetime


class Idleness:
    """Who is connected, and since when nothing was asked.

    Of several servers' wishes the longest counts; after the last one has gone, its own.
    """

    def __init__(self, now: float) -> None:
        self._wishes: dict[Hashable, Lifetime] = {}
        self._last_wish = Lifetime()
        self._since = now

    def joined(self, server: Hashable, wish: Lifetime, now: float) -> None:
        self._wishes[server] = self._last_wish = wish
        self._since = now

    def left(self, server: Hashable, now: float) -> None:
        self._last_wish = self._wishes.pop(server, self._last_wish)
        self._since = now

    def worked(self, now: float) -> None:
        """Something was asked, or an answer has ended."""
        self._since = now

    def seconds_left(self, now: float) -> float:
        """How much longer to wait for work; 0 when it is time to end."""
        if self._wishes:
            patience = max(wish.unload_seconds for wish in self._wishes.values())
        else:
            patience = self._last_wish.idle_seconds
        return max(0.0, self._since + patience - now) if math.isfinite(patience) else math.inf
