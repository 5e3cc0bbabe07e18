"""Judging on the machine itself: greedy answers to tokenised holes, compared token by token."""

from __future__ import annotations

import time
from typing import Any

import torch

from training.sampling import sample
from training.shards import Example

MAX_NEW_TOKENS = 72
BATCH = 64


@torch.no_grad()
def judge(model: Any, holes: list[Example], about: dict[str, Any], deadline: float) -> dict[str, float]:
    """Exact match, exact first lines and stop rate; over fewer holes where the deadline comes first.

    ``deadline`` is one of `time.monotonic`. Tokens are compared, not texts: another way to spell the same
    text counts as wrong, so the figures are lower bounds of those of `evaluate`.
    """
    device = next(model.parameters()).device
    end, newlines = about["end"], set(about["newlines"])
    exact = first_line = stopped = count = 0
    ordered = sorted(holes, key=lambda hole: hole.middle)  # equal lengths together: little padding
    for start in range(0, len(ordered), BATCH):
        if time.monotonic() > deadline:
            break
        batch = ordered[start : start + BATCH]
        prompts = [hole.tokens[: hole.middle].tolist() for hole in batch]
        with torch.autocast(device.type, dtype=torch.bfloat16):
            answers = sample(model, prompts, (0.0,), MAX_NEW_TOKENS, end, BATCH)
        for hole, (answer,) in zip(batch, answers, strict=True):
            truth = hole.tokens[hole.middle : -1].tolist()
            exact += answer.tokens == truth
            first_line += _first_line(answer.tokens, newlines) == _first_line(truth, newlines)
            stopped += answer.ended
            count += 1
    whole = max(count, 1)
    rates = {"exact": exact / whole, "first_line": first_line / whole, "stop_rate": stopped / whole}
    return {"holes": count, **{name: round(rate, 4) for name, rate in rates.items()}}


def _first_line(tokens: list[int], newlines: set[int]) -> list[int]:
    at = next((i for i, token in enumerate(tokens) if token in newlines and i), len(tokens))
    return tokens[:at]
