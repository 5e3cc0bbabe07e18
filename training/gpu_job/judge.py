"""Judging on the machine itself: greedy answers to tokenised holes, compared token by token."""

from __future__ import annotations

import time
from typing import Any

import torch

from training.shards import Example

MAX_NEW_TOKENS = 72
BATCH = 64


@torch.no_grad()
def judge(model: Any, holes: list[Example], about: dict[str, Any], deadline: float) -> dict[str, float]:
    """Exact match, exact first lines and stop rate; over fewer holes where the deadline comes first.

    ``deadline`` is one of `time.monotonic`. Tokens are compared, not texts: another way to spell the same
    text counts as wrong, so the figures are lower bounds of those of `evaluate`.
    """
    model.eval()
    attention = model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    model.config.use_cache = True
    end, newlines = about["end"], set(about["newlines"])
    exact = first_line = stopped = count = 0
    ordered = sorted(holes, key=lambda hole: hole.middle)  # equal lengths together: little padding
    for start in range(0, len(ordered), BATCH):
        if time.monotonic() > deadline:
            break
        batch = ordered[start : start + BATCH]
        for hole, answer in zip(batch, _answers(model, batch, end), strict=True):
            truth = hole.tokens[hole.middle : -1].tolist()
            ended = end in answer
            said = answer[: answer.index(end)] if ended else answer
            exact += said == truth
            first_line += _first_line(said, newlines) == _first_line(truth, newlines)
            stopped += ended
            count += 1
    model.config.use_cache = False
    model.set_attn_implementation(attention)
    whole = max(count, 1)
    rates = {"exact": exact / whole, "first_line": first_line / whole, "stop_rate": stopped / whole}
    return {"holes": count, **{name: round(rate, 4) for name, rate in rates.items()}}


def _answers(model: Any, holes: list[Example], end: int) -> list[list[int]]:
    """Prompts padded on the left, as generation wants them."""
    device = next(model.parameters()).device
    longest = max(hole.middle for hole in holes)
    tokens = torch.full((len(holes), longest), end, dtype=torch.long)
    seen = torch.zeros_like(tokens)
    for index, hole in enumerate(holes):
        tokens[index, longest - hole.middle :] = torch.from_numpy(hole.tokens[: hole.middle])
        seen[index, longest - hole.middle :] = 1
    with torch.autocast(device.type, dtype=torch.bfloat16):
        out = model.generate(
            tokens.to(device),
            attention_mask=seen.to(device),
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
        )
    return [row[longest:].tolist() for row in out]


def _first_line(tokens: list[int], newlines: set[int]) -> list[int]:
    at = next((i for i, token in enumerate(tokens) if token in newlines and i), len(tokens))
    return tokens[:at]
