"""When a crashed engine may be started again: at once, unless it keeps crashing before it serves anything.

Pure; the caller brings the time.
"""

from __future__ import annotations

FREE_RESTARTS = 2
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0


class Restarts:
    """The first crashes cost nothing, each further one doubles the wait; a served request forgives all.

    So an engine that somebody kills over and over is back at once, and a model that ends every engine which
    loads it does not keep the machine busy.
    """

    def __init__(self) -> None:
        self._crashes = 0
        self._last = 0.0

    def crashed(self, now: float) -> None:
        self._crashes += 1
        self._last = now

    def served(self) -> None:
        self._crashes = 0

    def seconds_to_wait(self, now: float) -> float:
        """0 when a start is permitted."""
        excess = self._crashes - FREE_RESTARTS
        if excess <= 0:
            return 0.0
        wait = min(FIRST_WAIT_SECONDS * 2.0 ** (excess - 1), LONGEST_WAIT_SECONDS)
        return max(0.0, self._last + wait - now)
