"""When an engine that nobody uses ends. Pure; the caller brings the time, in seconds of any clock."""

from __future__ import annotations

from collections.abc import Hashable

from mellum_lsp.engine.settings import Lifetime


class Idleness:
    """Who is connected, since when nothing was asked, and until when those that left want the engine to stay.

    Of several servers' wishes the longest counts.
    """

    def __init__(self, now: float) -> None:
        self._wishes: dict[Hashable, Lifetime] = {}
        self._worked = now
        self._wanted_until = now + Lifetime().idle_seconds  # by whoever started it, and is yet to join
        self._is_new = True

    def joined(self, server: Hashable, wish: Lifetime, now: float) -> None:
        if self._is_new:
            self._is_new, self._wanted_until = False, now
        self._wishes[server] = wish
        self._worked = now

    def left(self, server: Hashable, now: float) -> None:
        if wish := self._wishes.pop(server, None):
            self._wanted_until = max(self._wanted_until, now + wish.idle_seconds)

    def worked(self, now: float) -> None:
        """Something was asked, or an answer has ended."""
        self._worked = now

    def seconds_left(self, now: float) -> float:
        """How much longer to wait for work; 0 when it is time to end."""
        if self._wishes:
            end = self._worked + max(wish.unload_seconds for wish in self._wishes.values())
        else:
            end = self._wanted_until
        return max(0.0, end - now)
