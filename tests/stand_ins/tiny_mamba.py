"""Writes a tiny recurrent model: its state cannot be cut back, which every cache of a `llama` can."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from tiny_gguf import add_vocabulary, byte_level_tokens, finish

_HIDDEN, _INNER, _STATE, _RANK, _KERNEL, _LAYERS = 64, 128, 16, 4, 4, 2


def write_tiny_mamba(path: Path, *, seed: int = 1) -> Path:
    """Write the model to ``path`` and return it. It babbles in bytes and never ends by itself."""
    tokens, types = byte_level_tokens()
    writer = gguf.GGUFWriter(str(path), "mamba")
    writer.add_name("tiny-mamba")
    writer.add_context_length(4096)
    writer.add_embedding_length(_HIDDEN)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(_LAYERS)
    writer.add_ssm_conv_kernel(_KERNEL)
    writer.add_ssm_inner_size(_INNER)
    writer.add_ssm_state_size(_STATE)
    writer.add_ssm_time_step_rank(_RANK)
    writer.add_layer_norm_rms_eps(1e-5)
    add_vocabulary(writer, tokens, types)
    return finish(writer, path, _tensors(len(tokens), np.random.default_rng(seed)))


def _tensors(vocabulary: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    def weights(rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
        return random.standard_normal((rows, columns)) * scale / np.sqrt(columns)

    tensors = {
        "token_embd.weight": weights(vocabulary, _HIDDEN, 8.0),
        "output_norm.weight": np.ones(_HIDDEN),
        "output.weight": np.vstack([np.zeros((7, _HIDDEN)), weights(vocabulary - 7, _HIDDEN, 3.0)]),
    }
    for layer in range(_LAYERS):
        prefix = f"blk.{layer}."
        tensors |= {
            prefix + "attn_norm.weight": np.ones(_HIDDEN),
            prefix + "ssm_in.weight": weights(2 * _INNER, _HIDDEN, 2.0),
            prefix + "ssm_conv1d.weight": weights(_INNER, _KERNEL),
            prefix + "ssm_conv1d.bias": np.zeros(_INNER),
            prefix + "ssm_x.weight": weights(_RANK + 2 * _STATE, _INNER),
            prefix + "ssm_dt.weight": weights(_INNER, _RANK),
            prefix + "ssm_dt.bias": np.zeros(_INNER),
            prefix + "ssm_a": -np.tile(np.arange(1.0, _STATE + 1), (_INNER, 1)),
            prefix + "ssm_d": np.ones(_INNER),
            prefix + "ssm_out.weight": weights(_HIDDEN, _INNER, 2.0),
        }
    return tensors
