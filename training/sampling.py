"""Answers of the model under training at several temperatures, by transformers' own generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Sampled:
    """An answer without its end of text; ``ended``: it came to one within the limit."""

    tokens: list[int]
    ended: bool


@torch.no_grad()
def sample(
    model: Any,
    prompts: Sequence[list[int]],
    temperatures: Sequence[float],
    max_new_tokens: int,
    end: int,
    batch: int = 16,
) -> list[list[Sampled]]:
    """One answer for each prompt and temperature; temperature 0 is greedy. The model's state is restored."""
    attention, caches = model.config._attn_implementation, model.config.use_cache
    was_training = model.training
    model.eval()
    model.set_attn_implementation("sdpa")
    model.config.use_cache = True
    answers: list[list[Sampled]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # equal lengths: little padding
    for temperature in temperatures:
        how = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            for index, said in zip(
                part, _generate(model, [prompts[i] for i in part], max_new_tokens, end, how), strict=True
            ):
                answers[index].append(said)
    model.set_attn_implementation(attention)
    model.config.use_cache = caches
    model.train(was_training)
    return answers


def _generate(
    model: Any, prompts: Sequence[list[int]], max_new_tokens: int, end: int, how: dict[str, Any]
) -> list[Sampled]:
    """Prompts padded on the left, as generation wants them."""
    device = next(model.parameters()).device
    longest = max(map(len, prompts))
    tokens = torch.full((len(prompts), longest), end, dtype=torch.long)
    seen = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
        seen[row, longest - len(prompt) :] = 1
    out = model.generate(
        tokens.to(device),
        attention_mask=seen.to(device),
        max_new_tokens=max_new_tokens,
        eos_token_id=end,
        pad_token_id=end,
        **how,
    )
    found = []
    for row in out[:, longest:].tolist():
        ended = end in row
        found.append(Sampled(row[: row.index(end)] if ended else row, ended))
    return found
