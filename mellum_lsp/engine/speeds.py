"""How fast this model is on this machine: measured when it is loaded, kept fresh from real work."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from mellum_lsp.engine.context import Context

_BUDGET_SECONDS = 0.25
_SMALLEST_PREFILL, _SMALLEST_DECODE = 32, 4
"""Fewer tokens than these say too little about the speed."""
_WEIGHT = 0.2
"""Of a new observation in the moving average."""


class Speeds:
    """Moving averages in tokens per second; 0 until something has been observed."""

    def __init__(self) -> None:
        self.prefill = 0.0
        self.decode = 0.0

    def observe_prefill(self, tokens: int, seconds: float) -> None:
        if tokens >= _SMALLEST_PREFILL:
            self.prefill = _average(self.prefill, tokens, seconds)

    def observe_decode(self, tokens: int, seconds: float) -> None:
        if tokens >= _SMALLEST_DECODE:
            self.decode = _average(self.decode, tokens, seconds)


def measure(context: Context, vocabulary_size: int, clock: Callable[[], float] = time.perf_counter) -> Speeds:
    """Evaluate a few tokens, for about a quarter of a second, which also brings the weights into memory.

    A model so slow that one step takes longer is measured with the smallest steps.
    """
    tokens = (np.arange(context.micro_batch_tokens, dtype=np.int64) * 7919 % vocabulary_size).astype(np.int32)
    deadline = clock() + _BUDGET_SECONDS
    position = 0

    def evaluate(count: int) -> float:
        nonlocal position
        began = clock()
        context.evaluate(0, tokens[:count], position, outputs=1)
        context.synchronise()
        position += count
        return clock() - began

    speeds = Speeds()
    evaluate(1)  # the first one reads the weights from the disk
    evaluate(2)  # and this one sets up the graph for batches
    decode_seconds = min(evaluate(1) for _ in range(3) if position == 3 or clock() < deadline)
    speeds.decode = 1 / decode_seconds
    count = 8
    while True:
        seconds = evaluate(count)
        speeds.prefill = count / seconds
        # A batch of twice the tokens takes about twice the time.
        count *= 2
        if count > context.micro_batch_tokens or clock() + 2 * seconds > deadline:
            break
    context.clear(0)
    return speeds


def _average(before: float, tokens: int, seconds: float) -> float:
    now = tokens / max(seconds, 1e-6)
    return now if before == 0 else before + _WEIGHT * (now - before)
