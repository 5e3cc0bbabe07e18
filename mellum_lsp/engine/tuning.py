"""Threads and micro-batches by measurement: what evaluating a batch costs here, found at load and remembered.

Every load spends a short time on measuring what is not known yet and keeps the best time that was ever seen
for each batch, since whatever else a machine does can only make one look slower. So the first load knows
enough to serve, and after a few the picture is complete, also for a model whose batches take seconds.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np

from mellum_lsp.engine.batch_costs import BatchCosts
from mellum_lsp.engine.gguf import GgufHeader
from mellum_lsp.engine.private_files import write_private
from mellum_lsp.engine.vocabulary import Tokens
from mellum_lsp.machine import Cores

SMALLEST_BATCH, LARGEST_BATCH = 16, 128
"""Tokens of a micro-batch. On the CPU larger ones gain a few percent, and somebody who cancels waits for
them."""
_SIZES = (1, 8, 16, 64, 4, 32, 12, 2, LARGEST_BATCH)
"""Batches to measure, the most telling first: llama.cpp's kernels take four tokens at a time, and those that
are left over cost nearly as much each as a token alone."""
_COMPARED = (1, 8)
"""Batches by which numbers of threads are compared."""
_FIRST_SECONDS, _LATER_SECONDS = 0.6, 0.25
_ONE_MORE_SECONDS = 1.0
"""So long may one batch take that is measured beyond that time, for the sake of slow models."""
_REPEATS = 3
_CLEARLY = 0.95
"""Another number of threads than that of the physical cores must be so much faster to be chosen."""
_NEARLY = 1.03
_LONGEST_NODE_MS = 8.0
"""On the CPU an abort waits for a node of the graph, of which a matrix product is the longest."""
_LONGEST_BATCH_MS = 10.0
"""A GPU is not interrupted inside a batch."""


class Measurable(Protocol):
    """The part of `context.Context` that measuring needs; its sequence 0 is empty."""

    micro_batch_tokens: int

    def evaluate(self, sequence: int, tokens: Tokens, position: int, *, outputs: int) -> object: ...
    def synchronise(self) -> None: ...
    def clear(self, sequence: int) -> None: ...
    def use_threads(self, threads: int) -> None: ...


Times = dict[int, dict[int, float]]
"""Milliseconds by the number of threads and the tokens in a batch."""


@dataclass(slots=True)
class Tuning:
    """What was measured, and what follows from it."""

    times: Times = field(default_factory=dict)

    def note(self, threads: int, tokens: int, milliseconds: float) -> None:
        known = self.times.setdefault(threads, {})
        known[tokens] = min(milliseconds, known.get(tokens, milliseconds))

    def best_threads(self, preferred: int) -> int:
        """The fastest number of threads; ``preferred`` unless another one is clearly faster."""

        def speed(threads: int) -> float:
            known = self.times.get(threads, {})
            return (
                1 / prod(known[size] for size in _COMPARED)
                if all(size in known for size in _COMPARED)
                else 0.0
            )

        fastest = max(sorted(self.times), key=speed, default=preferred)
        # The product of two times: a factor in each.
        return fastest if speed(fastest) * _CLEARLY**2 > speed(preferred) else preferred

    def costs(self, threads: int) -> BatchCosts:
        return BatchCosts(self.times[threads])

    def micro_batch(self, threads: int, longest_product: float, on_gpu: bool) -> int:
        """The batch with the most tokens a second among those that an abort need not wait for.

        ``longest_product`` is the share that the longest matrix product has of a batch, see
        `longest_product_share`. At least `SMALLEST_BATCH` tokens.
        """
        share, longest = (1.0, _LONGEST_BATCH_MS) if on_gpu else (longest_product, _LONGEST_NODE_MS)
        known = self.times[threads]
        best, best_cost = SMALLEST_BATCH, self.costs(threads).milliseconds(SMALLEST_BATCH) / SMALLEST_BATCH
        for size in sorted(known):
            if size > best and known[size] * share <= longest and known[size] / size * _NEARLY < best_cost:
                best, best_cost = size, known[size] / size
        return best


def longest_product_share(header: GgufHeader) -> float:
    """How much of an evaluation its longest matrix product takes: the largest matrix among all of them.

    Of a mixture of experts only those count that a token uses.
    """
    used = _number(header, "expert_used_count") / max(1.0, _number(header, "expert_count"))
    sizes = [
        prod(shape) * (used if len(shape) > 2 and used else 1.0)
        for name, shape in header.shapes.items()
        if name.startswith("blk.") and len(shape) > 1
    ]
    return max(sizes) / sum(sizes) if sizes else 1.0


def measure(
    context: Measurable,
    tuning: Tuning,
    vocabulary_size: int,
    preferred_threads: int,
    other_threads: tuple[int, ...] = (),
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Add to ``tuning`` what the time allows, and always the cost of one token with the threads to be used.

    Evaluating also brings the weights into memory and builds the graphs. ``clock`` counts seconds.
    """
    one = _Measurement(context, tuning, vocabulary_size, clock)
    one.begin(preferred_threads)
    one.try_sizes(preferred_threads, _COMPARED)
    for threads in other_threads:
        if threads not in tuning.times and one.seconds_left() > 0:
            one.try_sizes(threads, _COMPARED)
    chosen = tuning.best_threads(preferred_threads)
    known = tuning.times[chosen]
    sizes = [size for size in _SIZES if size <= context.micro_batch_tokens]
    one.try_sizes(chosen, sorted(sizes, key=lambda size: size in known))
    unknown = [size for size in sizes if size not in known]
    if unknown and one.expected_seconds(chosen, min(unknown)) <= _ONE_MORE_SECONDS:
        one.time_batch(chosen, min(unknown))


class _Measurement:
    """Times batches for as long as a load may take; less where something is known already."""

    def __init__(
        self, context: Measurable, tuning: Tuning, vocabulary_size: int, clock: Callable[[], float]
    ) -> None:
        self._context = context
        self._tuning = tuning
        self._tokens = (np.arange(LARGEST_BATCH, dtype=np.int64) * 7919 % vocabulary_size).astype(np.int32)
        self._clock = clock
        self._deadline = clock() + (_LATER_SECONDS if tuning.times else _FIRST_SECONDS)

    def seconds_left(self) -> float:
        return self._deadline - self._clock()

    def begin(self, threads: int) -> None:
        """The first evaluation reads the weights from the disk; its time says nothing."""
        self._context.use_threads(threads)
        self._evaluate(1)

    def try_sizes(self, threads: int, sizes: Sequence[int]) -> None:
        """Measure each size while the time that it will take is left."""
        self._context.use_threads(threads)
        self.time_batch(threads, 1)  # with another number of threads, the first one is slow
        for size in sizes:
            for _ in range(_REPEATS):
                if self.expected_seconds(threads, size) > self.seconds_left():
                    break
                self.time_batch(threads, size)

    def time_batch(self, threads: int, size: int) -> None:
        began = self._clock()
        seconds = self._evaluate(size) - began
        self._tuning.note(threads, size, seconds * 1e3)

    def expected_seconds(self, threads: int, size: int) -> float:
        known = self._tuning.times[threads]
        return (known.get(size) or BatchCosts(known).milliseconds(size)) / 1e3

    def _evaluate(self, size: int) -> float:
        """Evaluate a batch and forget it; when it was done."""
        self._context.evaluate(0, self._tokens[:size], 0, outputs=1)
        self._context.synchronise()
        done = self._clock()
        self._context.clear(0)
        return done


class TuningStore:
    """Keeps what was measured in a folder, by the model and the machine. None keeps nothing."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._file = folder / f"tuning-{name}.json" if folder else None

    def read(self) -> Tuning:
        """What is known; nothing where the file is missing or damaged."""
        tuning = Tuning()
        if self._file:
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
                for threads, times in json.loads(self._file.read_text(encoding="utf-8")).items():
                    for size, milliseconds in times.items():
                        if 0 < float(milliseconds) < 1e7:
                            tuning.note(int(threads), int(size), float(milliseconds))
        return tuning

    def write(self, tuning: Tuning) -> None:
        """Keep it; where that is impossible it is measured again at the next load."""
        if self._file:
            with contextlib.suppress(OSError):
                write_private(self._file, json.dumps(tuning.times).encode())


def thread_counts(cores: Cores) -> tuple[int, tuple[int, ...]]:
    """The number to begin with, one thread for every physical core, and others that may be faster.

    A second thread on the same core mostly makes matrix products slower, and fewer threads help where cores
    differ or are busy.
    """
    others = {cores.logical, cores.physical - 1, cores.physical // 2} - {cores.physical, 0}
    return cores.physical, tuple(sorted(others, reverse=True))


def _number(header: GgufHeader, key: str) -> float:
    return float(header.metadata.get(f"{header.architecture}.{key}", 0))
