"""Whether the machine has nothing better to do: nobody types, nothing else computes, it is plugged in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from mellum_lsp import machine
from mellum_lsp.feedback.store import default_path

TYPED_SECONDS = 120.0
"""After the last key the user may be reading, or thinking."""
_OTHERS_SHARE = 0.15
_OTHERS_CORES = 0.5
"""What others may compute: this share of all cores, and on few cores half a one."""
_TERMINALS = ((Path("/dev/pts"), "[0-9]*"), (Path("/dev"), "tty[0-9]*"), (Path("/dev"), "ttys*"))


@dataclass(frozen=True, slots=True)
class Sample:
    """``others_cores`` is the CPU time a second of programs of ordinary priority.

    ``input_seconds`` have passed since somebody typed, None where that cannot be told.
    """

    others_cores: float
    input_seconds: float | None
    on_battery: bool


def reason_to_wait(sample: Sample, cores: int) -> str:
    """Why now is no good time, "" where it is."""
    if sample.on_battery:
        return "the machine runs on its battery"
    if sample.input_seconds is not None and sample.input_seconds < TYPED_SECONDS:
        return "somebody types"
    if sample.others_cores > max(_OTHERS_CORES, _OTHERS_SHARE * cores):
        return f"other programs use {sample.others_cores:.1f} cores"
    return ""


class Idleness:
    """Tells the reason to wait, each time by what has happened since it was asked before.

    CPU time of programs that are niced does not count: ours are, and whoever else is wants to be in nobody's
    way either. Windows knows no niceness; there ``own_cpu_seconds`` tells how much of it was ours.
    """

    def __init__(self, own_cpu_seconds: Callable[[], float] = lambda: 0.0) -> None:
        self._own = own_cpu_seconds
        self._cores = machine.cores().logical
        self._before = self._now()

    def __call__(self) -> str:
        (then, used), self._before = self._before, self._now()
        at, now_used = self._before
        others = max(0.0, (now_used - used) / max(at - then, 1e-3))
        return reason_to_wait(Sample(others, seconds_since_input(), _is_on_battery()), self._cores)

    def _now(self) -> tuple[float, float]:
        times = psutil.cpu_times()
        niced = hasattr(times, "nice")
        return time.monotonic(), times.user + times.system - (0.0 if niced else self._own())


def seconds_since_input() -> float | None:
    """Since somebody typed at a terminal (its access time, which ``w`` goes by), or in an editor that this
    project serves (it notes what becomes of suggestions)."""
    seen = [when for when in _input_times() if when is not None]
    return max(0.0, time.time() - max(seen)) if seen else None


def _input_times() -> Iterator[float | None]:
    for folder, pattern in _TERMINALS:
        for terminal in folder.glob(pattern):
            with contextlib.suppress(OSError):
                yield terminal.stat().st_atime
    events = default_path()
    for path in (events, events.with_name(f"{events.name}-wal")):
        with contextlib.suppress(OSError):
            yield path.stat().st_mtime


def _is_on_battery() -> bool:
    battery = getattr(psutil, "sensors_battery", lambda: None)()
    return battery is not None and battery.power_plugged is False
