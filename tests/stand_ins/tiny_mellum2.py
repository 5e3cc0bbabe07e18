"""Writes a tiny Mellum2: a mixture of experts, sliding windows of 64 tokens on three layers of four.

python tests/stand_ins/tiny_mellum2.py /tmp/mellum2.gguf
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np
from tiny_gguf import add_vocabulary, byte_level_tokens, finish

WINDOW = 64
_HIDDEN, _HEADS, _KV_HEADS, _LAYERS = 64, 4, 2, 4
_EXPERTS, _EXPERTS_USED, _EXPERT_WIDTH = 4, 2, 32
_WIDTH = _HIDDEN // _HEADS


def write_tiny_mellum2(path: Path, *, seed: int = 1, context_length: int = 2048) -> Path:
    """Write the model to ``path`` and return it. It babbles in bytes and never ends by itself."""
    tokens, types = byte_level_tokens()
    writer = gguf.GGUFWriter(str(path), "mellum")
    writer.add_name("tiny-mellum2")
    writer.add_context_length(context_length)
    writer.add_embedding_length(_HIDDEN)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_EXPERT_WIDTH * _EXPERTS_USED)
    writer.add_expert_feed_forward_length(_EXPERT_WIDTH)
    writer.add_expert_count(_EXPERTS)
    writer.add_expert_used_count(_EXPERTS_USED)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_key_length(_WIDTH)
    writer.add_value_length(_WIDTH)
    writer.add_rope_dimension_count(_WIDTH)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_sliding_window(WINDOW)
    add_vocabulary(writer, tokens, types)
    return finish(writer, path, _tensors(len(tokens), np.random.default_rng(seed)))


def _tensors(vocabulary: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    def weights(*shape: int, scale: float = 1.0) -> np.ndarray:
        return random.standard_normal(shape) * scale / np.sqrt(shape[-1])

    output = weights(vocabulary, _HIDDEN, scale=3.0)
    output[:7] = 0.0  # no control token is ever the most likely one
    tensors = {
        "token_embd.weight": weights(vocabulary, _HIDDEN, scale=8.0),
        "output_norm.weight": np.ones(_HIDDEN),
        "output.weight": output,
    }
    for layer in range(_LAYERS):
        prefix = f"blk.{layer}."
        tensors |= {
            prefix + "attn_norm.weight": np.ones(_HIDDEN),
            prefix + "attn_q.weight": weights(_HIDDEN, _HIDDEN, scale=2.0),
            prefix + "attn_k.weight": weights(_WIDTH * _KV_HEADS, _HIDDEN, scale=2.0),
            prefix + "attn_v.weight": weights(_WIDTH * _KV_HEADS, _HIDDEN, scale=2.0),
            prefix + "attn_output.weight": weights(_HIDDEN, _HIDDEN, scale=2.0),
            prefix + "attn_q_norm.weight": np.ones(_WIDTH),
            prefix + "attn_k_norm.weight": np.ones(_WIDTH),
            prefix + "ffn_norm.weight": np.ones(_HIDDEN),
            prefix + "ffn_gate_inp.weight": weights(_EXPERTS, _HIDDEN),
            prefix + "ffn_gate_exps.weight": weights(_EXPERTS, _EXPERT_WIDTH, _HIDDEN),
            prefix + "ffn_up_exps.weight": weights(_EXPERTS, _EXPERT_WIDTH, _HIDDEN),
            prefix + "ffn_down_exps.weight": weights(_EXPERTS, _HIDDEN, _EXPERT_WIDTH),
        }
    return tensors


if __name__ == "__main__":
    print(write_tiny_mellum2(Path(sys.argv[1])))
