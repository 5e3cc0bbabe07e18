"""How long to wait before the model is asked, for clients that ask at every keystroke.

An answer that comes later than the next key is work for nothing; an answer that could have come earlier is
not. So the wait fills what the user's own rhythm leaves: the usual time between two keys, less the time that
an answer takes, less what the editor has waited already. (The idea is Tabby's adaptive debounce.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

LONGEST_WAIT_SECONDS = 0.15
LONGEST_GAP_SECONDS = 1.0
"""A longer pause is for thinking and says nothing of the rhythm."""

_GAPS = 24
_ENOUGH_GAPS = 6
_SHARE_OF_GAPS = 0.75
_WEIGHT_OF_NEWEST_LATENCY = 0.2


def wait_seconds(gaps: Collection[float], latency: float, since_key: float) -> float:
    """The wait for a request that came ``since_key`` after the last key, from 0 to `LONGEST_WAIT_SECONDS`.

    ``gaps`` are the times between keys, ``latency`` what an answer takes; all in seconds. Three of four keys
    follow within the time that is filled.
    """
    if len(gaps) < _ENOUGH_GAPS:
        return 0.0
    usual = sorted(gaps)[int(_SHARE_OF_GAPS * (len(gaps) - 1))]
    return min(max(0.0, usual - latency - since_key), LONGEST_WAIT_SECONDS)


class Rhythm:
    """One user's rhythm and the latency of the answers. Times are in seconds of any one clock."""

    def __init__(self) -> None:
        self._gaps: deque[float] = deque(maxlen=_GAPS)
        self._last_key = float("-inf")
        self._latency = 0.0

    def key(self, now: float) -> None:
        """The user has changed a document."""
        gap, self._last_key = now - self._last_key, now
        if gap <= LONGEST_GAP_SECONDS:
            self._gaps.append(gap)

    def answered(self, latency: float) -> None:
        """The model took so long to answer."""
        weight = _WEIGHT_OF_NEWEST_LATENCY if self._latency else 1.0
        self._latency += weight * (latency - self._latency)

    def wait(self, now: float) -> float:
        """How long to wait before the model is asked."""
        return wait_seconds(self._gaps, self._latency, now - self._last_key)
