"""Writes a GGUF of a real model's shape with random weights, quantised as llama.cpp's Q4_K_M would be.

    python tests/engine/random_gguf.py /tmp/mellum-4b-shape.gguf      # Mellum-4b: 30 layers, 2.3 GB

It says nothing sensible, but takes the time and the memory of the real one, without a download. Blocks are
drawn at random as they lie in the file, one tensor at a time, so no more memory is needed than for the
largest tensor.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import gguf
import numpy as np
from tiny_gguf import MERGES, byte_level_tokens

Q4_K, Q5_0, Q6_K, Q8_0 = (
    gguf.GGMLQuantizationType.Q4_K,
    gguf.GGMLQuantizationType.Q5_0,
    gguf.GGMLQuantizationType.Q6_K,
    gguf.GGMLQuantizationType.Q8_0,
)
_FALLBACK = {Q4_K: Q5_0, Q6_K: Q8_0}
"""Where rows are no multiple of 256 weights, as llama.cpp's quantiser does it."""
_BLOCKS = {
    # type: (weights a block, [(field, its bytes)], the spread of its weights for a scale of 1)
    Q4_K: (256, (("d", 2), ("dmin", 2), ("scales", 12), ("quants", 128)), 250.0),
    Q5_0: (32, (("d", 2), ("high", 4), ("low", 16)), 9.2),
    Q6_K: (256, (("low", 128), ("high", 64), ("scales", 16), ("d", 2)), 1370.0),
    Q8_0: (32, (("d", 2), ("quants", 32)), 74.0),
}
_SUBBLOCK_MIDDLE = 7.5
"""Q4_K subtracts a minimum: this many times the scale, the weights have a mean of about 0."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama model. The defaults are Mellum-4b's, as far as they are published (without grouped queries).

    They make 3.7 billion weights; the model is said to have 4.0, which a feed-forward width of 9,216 would
    give.
    """

    layers: int = 30
    hidden: int = 3072
    heads: int = 24
    kv_heads: int = 24
    feed_forward: int = 8256
    vocabulary: int = 49_152
    context: int = 8192


def write_random_gguf(path: Path, shape: Shape | None = None, seed: int = 1) -> Path:
    """Write the model to ``path`` and return it. Equal arguments give equal bytes."""
    shape = shape or Shape()
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer, shape)
    tensors = list(_tensors(shape))
    for name, extents, kind in tensors:
        if kind is None:
            writer.add_tensor_info(name, extents, np.dtype(np.float32), 4 * prod(extents))
        else:
            size = _row_bytes(extents[-1], kind) * extents[0]
            packed = [extents[0], _row_bytes(extents[-1], kind)]
            writer.add_tensor_info(name, packed, np.dtype(np.uint8), size, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(seed)
    for _, extents, kind in tensors:
        if kind is None:
            writer.write_tensor_data(np.ones(extents, np.float32))
        else:
            writer.write_tensor_data(_random_blocks(random, extents, kind))
    writer.close()
    return path


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("random weights")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens, types = byte_level_tokens()
    fill = shape.vocabulary - len(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*tokens, *(f"word{number}" for number in range(fill))])
    writer.add_token_types([*types, *[gguf.TokenType.NORMAL] * fill])
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(0)


def _tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...], gguf.GGMLQuantizationType | None]]:
    """Name, rows and columns, and type of every tensor; norms are not quantised."""
    kv = shape.hidden // shape.heads * shape.kv_heads
    hidden, wide = shape.hidden, shape.feed_forward
    yield "token_embd.weight", (shape.vocabulary, hidden), Q4_K
    for layer in range(shape.layers):
        finer = Q6_K if _gets_more_bits(layer, shape.layers) else Q4_K
        prefix = f"blk.{layer}."
        yield prefix + "attn_norm.weight", (hidden,), None
        yield prefix + "attn_q.weight", (hidden, hidden), Q4_K
        yield prefix + "attn_k.weight", (kv, hidden), Q4_K
        yield prefix + "attn_v.weight", (kv, hidden), finer
        yield prefix + "attn_output.weight", (hidden, hidden), Q4_K
        yield prefix + "ffn_norm.weight", (hidden,), None
        yield prefix + "ffn_gate.weight", (wide, hidden), Q4_K
        yield prefix + "ffn_up.weight", (wide, hidden), Q4_K
        yield prefix + "ffn_down.weight", (hidden, wide), _FALLBACK[finer] if wide % 256 else finer
    yield "output_norm.weight", (hidden,), None
    yield "output.weight", (shape.vocabulary, hidden), Q6_K


def _gets_more_bits(layer: int, layers: int) -> bool:
    """The first and the last eighth, and every third between them."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _row_bytes(columns: int, kind: gguf.GGMLQuantizationType) -> int:
    weights, fields, _ = _BLOCKS[kind]
    if columns % weights:
        raise ValueError(f"a row of {columns} weights cannot be {kind.name}: its blocks have {weights}")
    return columns // weights * sum(size for _, size in fields)


def _random_blocks(
    random: np.random.Generator, extents: tuple[int, ...], kind: gguf.GGMLQuantizationType
) -> np.ndarray:
    """Rows of blocks whose weights have a mean of about 0 and such a spread that activations keep theirs."""
    _, fields, spread = _BLOCKS[kind]
    rows, columns = extents
    blocks = np.frombuffer(random.bytes(rows * _row_bytes(columns, kind)), np.uint8).copy()
    table = blocks.reshape(-1, sum(size for _, size in fields))
    scale = np.float16(1 / np.sqrt(columns) / spread)
    at = 0
    for name, size in fields:
        if name in ("d", "dmin"):
            value = scale if name == "d" else np.float16(scale * _SUBBLOCK_MIDDLE)
            table[:, at : at + size] = np.frombuffer(value.tobytes(), np.uint8)
        at += size
    return blocks.reshape(rows, -1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--feed-forward", type=int, default=Shape.feed_forward)
    arguments = parser.parse_args()
    print(write_random_gguf(arguments.path, Shape(feed_forward=arguments.feed_forward)))
