"""Keeps an idle core awake while the first batch after a pause is evaluated.

llama.cpp's threads meet at some 500 barriers a token, and whoever waits there soon sleeps (why, says
`process.SPIN_COUNT`). On a core that has nothing else to do, each of these sleeps lets the core fall asleep
too, and after a pause it takes its time to come back: two tokens took 27 ms instead of 16 in the median of
five measurements (135M model, two cores of a virtual machine). So while such a batch runs, a thread of the
lowest priority that there is spins: it gets what nobody else wants, and gives it back at once.

Linux only; elsewhere, and where that priority cannot be had, nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PAUSE_SECONDS = 0.05
"""Cores that were busy so recently are awake."""


class Stoker:
    """One thread, which sleeps between batches. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = float("-inf")
        self._wanted = threading.Event()
        self._lock = ctypes.c_int(0)  # pthread_spinlock_t; held while a batch runs
        self._native = _spin_locks()
        if self._native:
            self._native.pthread_spin_init(ctypes.byref(self._lock), 0)
            threading.Thread(target=self._stoke, args=[self._native], name="stoker", daemon=True).start()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """While a batch is evaluated."""
        native, lock = self._native, ctypes.byref(self._lock)
        asleep = self._clock() - self._last > _PAUSE_SECONDS
        # The thread may just be leaving its lock: then nothing is done this time.
        spinning = bool(native and asleep and native.pthread_spin_trylock(lock) == 0)
        if spinning:
            self._wanted.set()
        try:
            yield
        finally:
            if native and spinning:
                native.pthread_spin_unlock(lock)
            self._last = self._clock()

    def _stoke(self, native: ctypes.CDLL) -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # of this thread alone
        except OSError:
            self._native = None
            return
        lock = ctypes.byref(self._lock)
        while True:
            self._wanted.wait()
            self._wanted.clear()
            native.pthread_spin_lock(lock)  # spins, without the interpreter's lock, until the batch is done
            native.pthread_spin_unlock(lock)


def _spin_locks() -> ctypes.CDLL | None:
    """The C library, where it has spin locks and the system the priority."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        _ = library.pthread_spin_init, library.pthread_spin_trylock
        return library
    return None
