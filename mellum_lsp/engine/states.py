"""KV states of prompts that no sequence holds at the moment: parked in memory, and kept on disk.

A sequence has room for one prompt, and sequences are few. What one of them held when another document needed
it is parked here and brought back in milliseconds, where evaluating it again takes seconds. The latest states
are also written to disk, so that the next engine begins warm. Whether moving a state pays is decided by the
speeds that were measured here: of saving, restoring, reading, and of evaluating.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mellum_lsp.engine.state_files import StateFiles
from mellum_lsp.engine.vocabulary import Tokens

Bytes = npt.NDArray[np.uint8]

FEWEST_TOKENS = 32
"""Less is evaluated faster than a state is looked for."""
_GAIN = 1.5
"""Moving a state must be so much faster than evaluating: it also takes memory."""
_REMEMBERED = 64
"""States of which it is known that they are on disk."""
_ALMOST_ALL = 0.9
"""A newer state that holds so much of an older one takes its place."""


class Stateful(Protocol):
    """The part of `context.Context` that copies the cache of a sequence out and in."""

    @property
    def longest_state(self) -> int: ...
    def state_bytes(self, sequence: int) -> int: ...
    def save(self, sequence: int) -> Bytes: ...
    def restore(self, sequence: int, data: Bytes) -> bool: ...


class Rate:
    """Bytes a second, a moving average that begins with a cautious guess."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second

    def seconds(self, size: int) -> float:
        return size / self._rate

    def observe(self, size: int, seconds: float) -> None:
        self._rate += 0.3 * (size / max(seconds, 1e-6) - self._rate)


@dataclass(slots=True, eq=False)
class State:
    """A sequence's cache apart from it; ``data`` is None while only ``file`` holds it."""

    tokens: Tokens
    size: int
    data: Bytes | None = None
    file: Path | None = None
    used: int = 0


class States:
    """At most ``capacity_bytes`` in memory, the least recently used give way.

    ``prefill_tokens_per_second`` tells how fast evaluating is now. ``files`` None keeps nothing on disk.
    ``can_cut`` is False for models whose states serve only prompts that begin with all of their tokens.
    """

    def __init__(
        self,
        memory: Stateful,
        prefill_tokens_per_second: Callable[[], float],
        capacity_bytes: int,
        files: StateFiles | None = None,
        can_cut: bool = True,
    ) -> None:
        self._memory = memory
        self._prefill = prefill_tokens_per_second
        self._capacity = capacity_bytes
        self._files = files
        self._can_cut = can_cut
        self._saving, self._restoring, self._reading = Rate(1e9), Rate(1e9), Rate(3e8)
        self._clock = 0
        found = files.known() if files else []
        self._states = [State(known.tokens, known.size, file=known.path) for known in found]
        self._on_disk: deque[Tokens] = deque((known.tokens for known in found), maxlen=_REMEMBERED)

    def best(self, usable: Tokens) -> tuple[State | None, int]:
        """The state that spares most of evaluating ``usable``, and how many tokens."""
        return self._best(self._states, usable)

    def pays_to_restore(self, state: State, saved_tokens: int) -> bool:
        """Whether restoring is faster than evaluating ``saved_tokens``."""
        seconds = self._restoring.seconds(state.size)
        if state.data is None:
            seconds += self._reading.seconds(state.size)
        return self._pays(saved_tokens, seconds)

    def pays_to_copy(self, sequence: int, tokens: Tokens, saved_tokens: int) -> bool:
        """The same for ``tokens`` that a sequence holds: they must be saved first."""
        if len(tokens) > self._memory.longest_state:
            return False
        size = self._memory.state_bytes(sequence)
        return self._pays(saved_tokens, self._saving.seconds(size) + self._restoring.seconds(size))

    def save(self, sequence: int) -> Bytes:
        """The cache of a sequence, apart from it."""
        began = time.perf_counter()
        data = self._memory.save(sequence)
        self._saving.observe(len(data), time.perf_counter() - began)
        return data

    def data_of(self, state: State) -> Bytes | None:
        """What the state holds; None where it cannot be had any more: it is then forgotten."""
        self._touch(state)
        data = state.data if state.data is not None else self._read(state)
        if data is None:
            self._forget(state)
        return data

    def restore(self, data: Bytes, sequence: int) -> bool:
        """Bring a state into an empty sequence; False where llama.cpp does not take it."""
        began = time.perf_counter()
        restored = self._memory.restore(sequence, data)
        self._restoring.observe(len(data), time.perf_counter() - began)
        return restored

    def park(self, sequence: int, tokens: Tokens) -> None:
        """Keep what a sequence holds, which is about to hold something else, where that pays."""
        known, common = self._best([state for state in self._states if state.data is not None], tokens)
        if known:
            self._touch(known)
        if not self._is_worth(sequence, tokens, len(tokens) - common):
            return
        data = self.save(sequence)
        state = State(tokens, len(data), data)
        if self._can_cut:
            self._states = [older for older in self._states if not _replaces(tokens, older.tokens)]
        self._states.append(state)
        self._touch(state)
        self._make_room()

    def write(self, sequence: int, tokens: Tokens) -> None:
        """Let a sequence's state outlive this process; the writing goes on in another thread."""
        if self._files and not self._is_on_disk(tokens) and self._is_worth(sequence, tokens, len(tokens)):
            self._on_disk.append(tokens)
            self._files.write(tokens, self.save(sequence))

    def write_parked(self) -> None:
        """The same for what is parked, the latest last."""
        for state in sorted(self._states, key=lambda state: state.used):
            if self._files and state.data is not None and not self._is_on_disk(state.tokens):
                self._on_disk.append(state.tokens)
                self._files.write(state.tokens, state.data)

    @property
    def writes(self) -> bool:
        """Whether there is a disk to write to."""
        return self._files is not None

    def seconds_to_save(self, sequence: int) -> float:
        """How long `write` will take of the caller's time."""
        return self._saving.seconds(self._memory.state_bytes(sequence))

    def finish_writing(self, seconds: float) -> None:
        """Wait until all is on disk, but not longer than this."""
        if self._files:
            self._files.finish(seconds)

    def _best(self, states: Iterable[State], usable: Tokens) -> tuple[State | None, int]:
        best: tuple[State | None, int] = (None, 0)
        for state in states:
            common = common_length(state.tokens, usable)
            if common > best[1] and (self._can_cut or common == len(state.tokens)):
                best = (state, common)
        return best

    def _is_worth(self, sequence: int, tokens: Tokens, saved_tokens: int) -> bool:
        """Whether a state of ``tokens`` fits, and spares evaluating so many of them at less cost."""
        fits = 0 < self._memory.state_bytes(sequence) <= self._capacity
        return fits and self.pays_to_copy(sequence, tokens, saved_tokens)

    def _is_on_disk(self, tokens: Tokens) -> bool:
        return any(_replaces(written, tokens) for written in self._on_disk)

    def _pays(self, tokens: int, seconds: float) -> bool:
        return tokens / max(self._prefill(), 1e-9) > _GAIN * seconds

    def _read(self, state: State) -> Bytes | None:
        if state.file is None or self._files is None:
            return None
        began = time.perf_counter()
        data = self._files.read(state.file, state.tokens)
        if data is not None:
            self._reading.observe(len(data), time.perf_counter() - began)
        return data

    def _touch(self, state: State) -> None:
        self._clock += 1
        state.used = self._clock

    def _make_room(self) -> None:
        held = sorted(
            (state for state in self._states if state.data is not None), key=lambda state: state.used
        )
        excess = sum(state.size for state in held) - self._capacity
        for state in held:
            if excess <= 0:
                return
            excess -= state.size
            state.data = None
            if state.file is None:
                self._states.remove(state)

    def _forget(self, state: State) -> None:
        if state.file and self._files:
            self._files.remove(state.file)
        self._states.remove(state)


def _replaces(newer: Tokens, older: Tokens) -> bool:
    return common_length(newer, older) >= _ALMOST_ALL * len(older)


def common_length(a: Tokens, b: Tokens) -> int:
    """How many tokens two sequences have in common at their beginning."""
    shorter = min(len(a), len(b))
    differing = np.flatnonzero(a[:shorter] != b[:shorter])
    return int(differing[0]) if len(differing) else shorter
