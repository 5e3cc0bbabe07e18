"""A model's weights as its GGUF's blocks in a safetensors file: as small, and readable by torch alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

BLOCK = 32
_HALF = 2


def _scales(raw: torch.Tensor, at: int) -> torch.Tensor:
    """The half-precision number at byte ``at`` of every block: (blocks, 1) as float32."""
    return raw[:, at : at + _HALF].contiguous().view(torch.float16).float()


def _nibbles(raw: torch.Tensor) -> torch.Tensor:
    return torch.cat([raw & 15, raw >> 4], dim=1).float()


def dequantise(raw: torch.Tensor, kind: str, shape: list[int]) -> torch.Tensor:
    """Bytes of ``kind`` (ggml's name) as float32 of ``shape``; raises `ValueError` for other kinds."""
    if kind == "F32":
        values = raw.view(torch.float32)
    elif kind == "F16":
        values = raw.view(torch.float16).float()
    elif kind == "Q8_0":
        blocks = raw.view(-1, _HALF + BLOCK)
        values = _scales(blocks, 0) * blocks[:, _HALF:].contiguous().view(torch.int8).float()
    elif kind == "Q4_0":
        blocks = raw.view(-1, _HALF + BLOCK // 2)
        values = _scales(blocks, 0) * (_nibbles(blocks[:, _HALF:]) - 8)
    elif kind == "Q4_1":
        blocks = raw.view(-1, 2 * _HALF + BLOCK // 2)
        values = _scales(blocks, 0) * _nibbles(blocks[:, 2 * _HALF :]) + _scales(blocks, _HALF)
    else:
        raise ValueError(f"weights of kind {kind} cannot be read here; requantise the base to Q8_0 or Q4_0")
    return values.reshape(shape)


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """``(tensors under transformers' names, the model's configuration)``."""
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        kinds = json.loads(about["tensors"])
        tensors = {
            name: dequantise(file.get_tensor(name), one["kind"], one["shape"]) for name, one in kinds.items()
        }
    return tensors, json.loads(about["config"])
