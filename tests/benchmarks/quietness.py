"""How much of the processor others used while something was measured (Linux)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Quietness:
    """`begin`, measure, `end`: the cores that other processes kept busy meanwhile, 0 on an idle machine.

    ``pids`` are ours besides this one, None among them ignored.
    """

    def __init__(self, pids: Iterable[int | None] = ()) -> None:
        self._pids = [os.getpid(), *(pid for pid in pids if pid)]
        self._busy = self._own = self._began = 0.0

    def begin(self) -> None:
        self._busy, self._own, self._began = _all_seconds(), self._own_seconds(), time.perf_counter()

    def end(self) -> float:
        """Cores, 0 to as many as there are; resolved to about 10 ms of processor time."""
        seconds = time.perf_counter() - self._began
        others = (_all_seconds() - self._busy) - (self._own_seconds() - self._own)
        return max(0.0, others) / max(seconds, 1e-6)

    def _own_seconds(self) -> float:
        return sum(_process_seconds(pid) for pid in self._pids)


def _all_seconds() -> float:
    user, nice, system, _idle, _wait, *interrupts = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + sum(interrupts)) / _TICKS


def _process_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
