"""Writes a GGUF of any shape with random weights, quantised as llama.cpp would do it.

It says nothing sensible, but takes the time and the memory of a real model of that shape, without a
download. Blocks are drawn at random as they lie in the file, one tensor at a time, so no more memory is
needed than for the largest tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

Kind = Literal["Q4_0", "Q4_K_M", "Q8_0"]

_Q4_0, _Q5_0, _Q8_0, _Q4_K, _Q6_K = 2, 6, 8, 12, 14
"""ggml's numbers of its types."""
_MIXES = {
    # kind: the type of most tensors, of some that get more bits, of the output's matrix
    "Q4_0": (_Q4_0, _Q4_0, _Q6_K),
    "Q4_K_M": (_Q4_K, _Q6_K, _Q6_K),
    "Q8_0": (_Q8_0, _Q8_0, _Q8_0),
}
_FALLBACK = {_Q4_K: _Q5_0, _Q6_K: _Q8_0}
"""Where rows are no multiple of 256 weights, as llama.cpp's quantiser does it."""
_BLOCKS = {
    # type: (weights a block, [(field, its bytes)], the spread of its weights for a scale of 1)
    _Q4_0: (32, (("d", 2), ("quants", 16)), 4.6),
    _Q4_K: (256, (("d", 2), ("dmin", 2), ("scales", 12), ("quants", 128)), 250.0),
    _Q5_0: (32, (("d", 2), ("high", 4), ("low", 16)), 9.2),
    _Q6_K: (256, (("low", 128), ("high", 64), ("scales", 16), ("d", 2)), 1370.0),
    _Q8_0: (32, (("d", 2), ("quants", 32)), 74.0),
}
_SUBBLOCK_MIDDLE = 7.5
"""Q4_K subtracts a minimum: this many times the scale, the weights have a mean of about 0."""
_MARKER = "<|endoftext|>"
_MERGE = "Ġ Ġ"


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

    @property
    def block_weights(self) -> int:
        """Of all layers; the embedding and the output's matrix are none of them."""
        kv = self.hidden // self.heads * self.kv_heads
        return self.layers * self.hidden * (2 * self.hidden + 2 * kv + 3 * self.feed_forward)

    @property
    def output_weights(self) -> int:
        return self.vocabulary * self.hidden


def write_random_model(path: Path, shape: Shape | None = None, seed: int = 1, kind: Kind = "Q4_K_M") -> Path:
    """Write the model to ``path`` and return it. Equal arguments give equal bytes. Raises `OSError`."""
    import gguf

    shape = shape or Shape()
    writer = gguf.GGUFWriter(str(path), "llama")
    try:
        _describe(writer, shape, kind)
        tensors = list(_tensors(shape, kind))
        for name, extents, type_ in tensors:
            if type_ is None:
                writer.add_tensor_info(name, extents, np.dtype(np.float32), 4 * prod(extents))
            else:
                row = _row_bytes(extents[-1], type_)
                writer.add_tensor_info(
                    name,
                    [extents[0], row],
                    np.dtype(np.uint8),
                    row * extents[0],
                    raw_dtype=gguf.GGMLQuantizationType(type_),
                )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        random = np.random.default_rng(seed)
        for _, extents, type_ in tensors:
            if type_ is None:
                writer.write_tensor_data(np.ones(extents, np.float32))
            else:
                writer.write_tensor_data(_random_blocks(random, extents, type_))
    finally:
        writer.close()
    return path


def _describe(writer: Any, shape: Shape, kind: Kind) -> None:
    import gguf

    writer.add_name("random weights")
    writer.add_file_type(getattr(gguf.LlamaFileType, f"MOSTLY_{kind}"))
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = [_MARKER, *byte_alphabet(), _MERGE.replace(" ", "")]
    fill = [f"word{number}" for number in range(shape.vocabulary - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*tokens, *fill])
    kinds = gguf.TokenType
    writer.add_token_types([kinds.CONTROL, *[kinds.NORMAL] * (len(tokens) - 1 + len(fill))])
    writer.add_token_merges([_MERGE])
    writer.add_eos_token_id(0)


def _tensors(shape: Shape, kind: Kind) -> Iterator[tuple[str, tuple[int, ...], int | None]]:
    """Name, rows and columns, and type of every tensor; norms are not quantised."""
    mostly, more, output = _MIXES[kind]
    kv = shape.hidden // shape.heads * shape.kv_heads
    hidden, wide = shape.hidden, shape.feed_forward

    def of(columns: int, type_: int) -> int:
        return _FALLBACK.get(type_, type_) if columns % 256 else type_

    yield "token_embd.weight", (shape.vocabulary, hidden), of(hidden, mostly)
    for layer in range(shape.layers):
        finer = more if _gets_more_bits(layer, shape.layers) else mostly
        prefix = f"blk.{layer}."
        yield prefix + "attn_norm.weight", (hidden,), None
        yield prefix + "attn_q.weight", (hidden, hidden), of(hidden, mostly)
        yield prefix + "attn_k.weight", (kv, hidden), of(hidden, mostly)
        yield prefix + "attn_v.weight", (kv, hidden), of(hidden, finer)
        yield prefix + "attn_output.weight", (hidden, hidden), of(hidden, mostly)
        yield prefix + "ffn_norm.weight", (hidden,), None
        yield prefix + "ffn_gate.weight", (wide, hidden), of(hidden, mostly)
        yield prefix + "ffn_up.weight", (wide, hidden), of(hidden, mostly)
        yield prefix + "ffn_down.weight", (hidden, wide), of(wide, finer)
    yield "output_norm.weight", (hidden,), None
    yield "output.weight", (shape.vocabulary, hidden), of(hidden, output)


def _gets_more_bits(layer: int, layers: int) -> bool:
    """The first and the last eighth, and every third between them."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _row_bytes(columns: int, type_: int) -> int:
    weights, fields, _ = _BLOCKS[type_]
    if columns % weights:
        raise ValueError(f"a row of {columns} weights cannot be of type {type_}: its blocks have {weights}")
    return columns // weights * sum(size for _, size in fields)


def _random_blocks(random: np.random.Generator, extents: tuple[int, ...], type_: int) -> Any:
    """Rows of blocks whose weights have a mean of about 0 and such a spread that activations keep theirs."""
    _, fields, spread = _BLOCKS[type_]
    rows, columns = extents
    blocks = np.frombuffer(random.bytes(rows * _row_bytes(columns, type_)), np.uint8).copy()
    table = blocks.reshape(-1, sum(size for _, size in fields))
    scale = np.float16(1 / np.sqrt(columns) / spread)
    at = 0
    for name, size in fields:
        if name in ("d", "dmin"):
            value = scale if name == "d" else np.float16(scale * _SUBBLOCK_MIDDLE)
            table[:, at : at + size] = np.frombuffer(value.tobytes(), np.uint8)
        at += size
    return blocks.reshape(rows, -1)


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for every byte, by byte value."""
    printable = {
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    }
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]
