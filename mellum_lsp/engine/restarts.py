"""When a crashed engine may be started again: at once, unless it keeps crashing. Pure; the caller brings
the time."""

from __future__ import annotations

FREE_RESTARTS = 2
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
FORGIVEN_AFTER_SECONDS = 120.0


class Restarts:
    """The first crashes cost nothing, each further one doubles the wait; a long quiet time forgives all."""

    def __init__(self) -> None:
        self._crashes = 0
        self._last = float("-inf")

    def crashed(self, now: float) -> None:
        if now - self._last > FORGIVEN_AFTER_SECONDS:
            self._crashes = 0
        self._crashes += 1
        self._last = now

    def seconds_to_wait(self, now: float) -> float:
        """0 when a start is permitted."""
        excess = self._crashes - FREE_RESTARTS
        if excess <= 0:
            return 0.0
        wait = min(FIRST_WAIT_SECONDS * 2.0 ** (excess - 1), LONGEST_WAIT_SECONDS)
        return max(0.0, self._last + wait - now)
