"""How fast this model is on this machine: measured when it is loaded, kept fresh from real work."""

from __future__ import annotations

_SMALLEST_PREFILL, _SMALLEST_DECODE = 32, 4
"""Fewer tokens than these say too little about the speed."""
_WEIGHT = 0.2
"""Of a new observation in the moving average."""


class Speeds:
    """Moving averages in tokens per second."""

    def __init__(self, prefill: float, decode: float) -> None:
        self.prefill = prefill
        self.decode = decode

    def observe_prefill(self, tokens: int, seconds: float) -> None:
        if tokens >= _SMALLEST_PREFILL:
            self.prefill = _average(self.prefill, tokens, seconds)

    def observe_decode(self, tokens: int, seconds: float) -> None:
        if tokens >= _SMALLEST_DECODE:
            self.decode = _average(self.decode, tokens, seconds)


def _average(before: float, tokens: int, seconds: float) -> float:
    now = tokens / max(seconds, 1e-6)
    return before + _WEIGHT * (now - before)
