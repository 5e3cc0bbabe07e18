"""Writes LoRA adapters for `tiny_gguf` models, and such a model with an adapter merged into its weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
from tiny_gguf import finish

RANK, ALPHA = 4, 8.0
MATRICES = {"blk.0.attn_q.weight": (64, 64), "blk.1.ffn_down.weight": (64, 128)}
"""Outputs and inputs of those that are adapted, unless a test says otherwise."""


def write_tiny_lora(
    path: Path,
    *,
    matrices: Mapping[str, tuple[int, int]] = MATRICES,
    architecture: str = "llama",
    kind: str = "lora",
    seed: int = 1,
) -> Path:
    """Write an adapter that changes what the model says. Equal arguments give equal bytes."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, kind)
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, ALPHA)
    tensors: dict[str, np.ndarray] = {}
    for name, (outputs, inputs) in matrices.items():
        tensors[f"{name}.lora_a"] = random.standard_normal((RANK, inputs))
        tensors[f"{name}.lora_b"] = random.standard_normal((outputs, RANK)) / 8
    return finish(writer, path, tensors)


def merge(model: Path, adapter: Path, target: Path) -> Path:
    """Write the model with ``W + alpha / rank B A`` in place of every adapted W."""
    shutil.copy(model, target)
    pairs = {tensor.name: tensor.data for tensor in gguf.GGUFReader(adapter).tensors}
    for tensor in gguf.GGUFReader(target, "r+").tensors:
        if (a := pairs.get(f"{tensor.name}.lora_a")) is not None:
            tensor.data[:] += ALPHA / RANK * pairs[f"{tensor.name}.lora_b"] @ a
    return target
