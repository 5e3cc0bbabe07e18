"""What llama.cpp's 4-bit formats do to a weight matrix, so that training sees the weights that are served.

With `served_weights` the forward and backward pass of a step run on quantised weights while the optimiser
keeps moving the float32 masters (straight-through estimation). Q4_0 rounds exactly as llama.cpp's quantiser
does, so the shipped file is the model that was trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

BLOCK = 32


def round_q4_0(weights: torch.Tensor) -> torch.Tensor:
    """Blocks of 32: a half-precision scale from the entry of largest magnitude, 16 levels from -8 to 7."""
    blocks = weights.reshape(-1, BLOCK)
    largest = blocks.gather(1, blocks.abs().argmax(dim=1, keepdim=True))
    scale = largest / -8
    inverse = torch.where(scale == 0, 0, 1 / scale)
    levels = torch.clamp_(torch.floor_(blocks * inverse + 8.5), 0, 15).sub_(8)
    return levels.mul_(scale.half().float()).reshape(weights.shape)


def round_q4_1(weights: torch.Tensor) -> torch.Tensor:
    """Blocks of 32: half-precision minimum and step, 16 levels."""
    blocks = weights.reshape(-1, BLOCK)
    low, high = blocks.amin(dim=1, keepdim=True), blocks.amax(dim=1, keepdim=True)
    step = (high - low) / 15
    inverse = torch.where(step == 0, 0, 1 / step)
    levels = torch.clamp_(torch.floor_((blocks - low) * inverse + 0.5), 0, 15)
    return levels.mul_(step.half().float()).add_(low.half().float()).reshape(weights.shape)


ROUNDING = {"Q4_0": round_q4_0, "Q4_1": round_q4_1}


def quantised_parameters(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """The matrices that the 4-bit formats touch: all but the embeddings, which stay at 8 bits."""
    return [
        p
        for name, p in model.named_parameters()
        if p.ndim == 2 and "embed" not in name and "lm_head" not in name
    ]


@contextmanager
def served_weights(model: torch.nn.Module, kind: str) -> Iterator[None]:
    """Within it the model computes with weights rounded to ``kind``; "" changes nothing."""
    if not kind:
        yield
        return
    parameters = quantised_parameters(model)
    masters = [p.data for p in parameters]
    rounding = ROUNDING[kind]
    with torch.no_grad():
        for parameter in parameters:
            parameter.data = rounding(parameter.data)
    try:
        yield
    finally:
        for parameter, master in zip(parameters, masters, strict=True):
            parameter.data = master
