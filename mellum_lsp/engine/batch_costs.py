"""What evaluating n tokens at once costs on this machine: the curve that drafts and micro-batches follow."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping


class BatchCosts:
    """Milliseconds by the number of tokens in a batch: measured for some, linear between and beyond them."""

    def __init__(self, measured: Mapping[int, float]) -> None:
        """``measured`` holds at least the cost of one token. A larger batch never counts as cheaper."""
        if 1 not in measured:
            raise ValueError("the cost of a single token is missing")
        self._sizes = sorted(measured)
        self._costs: list[float] = []
        for size in self._sizes:
            self._costs.append(max(measured[size], self._costs[-1] if self._costs else 0.0))

    @property
    def sizes(self) -> list[int]:
        """The batches that were measured, ascending."""
        return self._sizes

    @property
    def measured(self) -> dict[int, float]:
        """The points of the curve."""
        return dict(zip(self._sizes, self._costs, strict=True))

    def milliseconds(self, tokens: int) -> float:
        """The cost of a batch of ``tokens``."""
        if len(self._sizes) == 1:
            return self._costs[0] * tokens
        # The segment that holds it; the last one beyond the end.
        right = min(max(bisect_left(self._sizes, tokens), 1), len(self._sizes) - 1)
        left_size, right_size = self._sizes[right - 1], self._sizes[right]
        left_cost, right_cost = self._costs[right - 1], self._costs[right]
        return left_cost + (right_cost - left_cost) * (tokens - left_size) / (right_size - left_size)
