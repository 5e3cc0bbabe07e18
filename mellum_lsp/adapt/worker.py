"""Runs a command politely: at the lowest priority, and stopped while there is a reason to wait.

A stopped process keeps its memory and gives up its processor within milliseconds (SIGSTOP). In a group of
its own it is not interrupted by our terminal; where we die while it is stopped, the kernel ends it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from mellum_lsp.adapt.errors import Interrupted

LOWEST_PRIORITY = 19
_IDLE_PRIORITY_CLASS = 64  # Windows's
_QUIET_SECONDS = 20.0
"""So long there must be no reason to wait before it goes on."""
_SECONDS_TO_SAVE = 90.0

Reason = Callable[[], str]
OnTick = Callable[[str], None]
"""Hears, every few seconds, why the work waits; "" while it goes on."""


class Worker:
    """Runs one command after the other. ``reason_to_wait`` says "" where the machine is idle.

    ``ask_to_end`` is called when the user interrupts: the command may then end by itself.
    """

    def __init__(
        self,
        reason_to_wait: Reason,
        on_tick: OnTick,
        ask_to_end: Callable[[], None] = lambda: None,
        tick_seconds: float = 2.0,
        quiet_seconds: float = _QUIET_SECONDS,
    ) -> None:
        self._reason = reason_to_wait
        self._on_tick = on_tick
        self._ask_to_end = ask_to_end
        self._tick = tick_seconds
        self._quiet = quiet_seconds
        self._process: psutil.Popen | None = None

    def run(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """The command's exit code; what it prints is appended to ``log``.

        Raises `Interrupted` where the user interrupts, `OSError` where it cannot be started.
        """
        try:
            self._wait_for_idleness()
            with log.open("ab") as output:
                self._process = psutil.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    process_group=0 if os.name == "posix" else None,
                )
            _lower(self._process)
            return self._attend(self._process)
        except KeyboardInterrupt:
            self._interrupt()
            raise Interrupted("interrupted") from None
        finally:
            self._kill()

    def cpu_seconds(self) -> float:
        """The CPU time of the command and its children so far."""
        total = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _attend(self, process: psutil.Popen) -> int:
        stopped, good_since = False, time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired):
                return int(process.wait(self._tick))
            reason = self._reason()
            if reason:
                good_since = time.monotonic()
                if not stopped:
                    self._each(psutil.Process.suspend)
                    stopped = True
            elif stopped and time.monotonic() - good_since >= self._quiet:
                self._each(psutil.Process.resume)
                stopped = False
            self._on_tick((reason or "until the machine has been idle for a moment") if stopped else "")

    def _wait_for_idleness(self) -> None:
        while reason := self._reason():
            self._on_tick(reason)
            time.sleep(self._tick)
        self._on_tick("")

    def _interrupt(self) -> None:
        """Let the command end by itself, but not longer than a checkpoint takes."""
        if self._process is None:
            return
        self._ask_to_end()
        self._each(psutil.Process.resume)
        with contextlib.suppress(subprocess.TimeoutExpired, psutil.TimeoutExpired, KeyboardInterrupt):
            self._process.wait(_SECONDS_TO_SAVE)

    def _kill(self) -> None:
        self._each(psutil.Process.kill)
        if self._process:
            self._process.wait()
        self._process = None

    def _each(self, do: Callable[[psutil.Process], None]) -> None:
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                do(process)

    def _tree(self) -> list[psutil.Process]:
        """Parents first: a stopped parent starts nothing new."""
        if self._process is None or not self._process.is_running():
            return []
        with contextlib.suppress(psutil.Error):
            return [self._process, *self._process.children(recursive=True)]
        return []


def _lower(process: psutil.Popen) -> None:
    with contextlib.suppress(psutil.Error, OSError):
        process.nice(LOWEST_PRIORITY if os.name == "posix" else _IDLE_PRIORITY_CLASS)
    with contextlib.suppress(psutil.Error, OSError, AttributeError, ValueError):
        process.ionice(psutil.IOPRIO_CLASS_IDLE)
