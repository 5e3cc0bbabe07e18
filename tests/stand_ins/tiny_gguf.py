"""Writes a GGUF that the real llama.cpp loads in milliseconds: two layers, hidden size 64, 440 kB of random
weights.

    python tests/stand_ins/tiny_gguf.py /tmp/tiny.gguf                     # babbles, but always the same
    python tests/stand_ins/tiny_gguf.py /tmp/tiny.gguf --says 'return ' 'a + b'

The vocabulary is byte-level BPE with a few merges and the Mellum markers as control tokens, so everything
that tokenises, evaluates and decodes is exercised. With ``says`` the model completes every prompt that ends
in ``<fim_middle>`` with exactly these pieces, each with probability near 1, and then ends.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

from mellum_lsp.diagnosis.random_model import byte_alphabet

MARKERS = (
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<filename>",
    "<reponame>",
)
"""The control tokens, by id."""

MERGES = (
    "Ġ Ġ",
    "ĠĠ ĠĠ",
    "d e",
    "de f",
    "r e",
    "re t",
    "s e",
    "se l",
    "sel f",
    "i n",
    "e r",
    "o n",
    "a t",
    "t h",
)
_HIDDEN, _HEADS, _KV_HEADS, _LAYERS, _FEED_FORWARD = 64, 4, 2, 2, 128


def write_tiny_gguf(
    path: Path,
    *,
    says: Sequence[str | bytes] = (),
    seed: int = 1,
    context_length: int = 4096,
    add_bos: bool = False,
    architecture: str = "llama",
    sentencepiece: bool = False,
    markers_are_user_defined: bool = False,
) -> Path:
    """Write the model to ``path`` and return it. Equal arguments give equal bytes.

    A piece of ``says`` may be part of a character (bytes); every piece becomes one token. ``architecture``
    may be a name that llama.cpp does not know. ``sentencepiece`` gives a vocabulary that puts a space before
    every text, ``markers_are_user_defined`` one whose markers a tokeniser finds in plain text: what some
    published conversions do.
    """
    tokens, types = _sentencepiece_tokens() if sentencepiece else byte_level_tokens()
    if markers_are_user_defined:
        types[: len(MARKERS)] = [gguf.TokenType.USER_DEFINED] * len(MARKERS)
    pieces = [piece.encode() if isinstance(piece, str) else piece for piece in says]
    chain = _chain(tokens, pieces)
    types += [gguf.TokenType.NORMAL] * (len(tokens) - len(types))
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name("tiny")
    writer.add_context_length(context_length)
    writer.add_embedding_length(_HIDDEN)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_rope_dimension_count(_HIDDEN // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    add_vocabulary(writer, tokens, types, sentencepiece=sentencepiece)
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(add_bos)
    return finish(writer, path, _tensors(len(tokens), chain, seed))


def add_vocabulary(
    writer: gguf.GGUFWriter, tokens: list[str], types: list[int], *, sentencepiece: bool = False
) -> None:
    """Tell the writer of a vocabulary whose first token is the end of text."""
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if sentencepiece:
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([-float(token) for token in range(len(tokens))])
        writer.add_add_space_prefix(True)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_merges(MERGES)
    writer.add_eos_token_id(0)


def finish(writer: gguf.GGUFWriter, path: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """Write all that the writer was told, and the tensors in 32 bits, to ``path``, which it was made for."""
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def byte_level_tokens() -> tuple[list[str], list[int]]:
    """Markers, a token for every byte, some merges; and the type of each token."""
    tokens = [*MARKERS, *byte_alphabet(), *(merge.replace(" ", "") for merge in MERGES)]
    kinds = gguf.TokenType
    return tokens, [kinds.CONTROL] * len(MARKERS) + [kinds.NORMAL] * (len(tokens) - len(MARKERS))


def _sentencepiece_tokens() -> tuple[list[str], list[int]]:
    words = ["▁", "▁▁", "de", "def", "▁def"]
    tokens = [*MARKERS, *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    kinds = gguf.TokenType
    return tokens, [kinds.CONTROL] * len(MARKERS) + [kinds.BYTE] * 256 + [kinds.NORMAL] * len(words)


def _chain(tokens: list[str], pieces: list[bytes]) -> list[int]:
    """The token of every piece, appended to ``tokens`` where the vocabulary lacks it."""
    alphabet = byte_alphabet()
    texts = ["".join(alphabet[byte] for byte in piece) for piece in pieces]
    if len(set(texts)) < len(texts):
        raise ValueError("every piece can be said only once: the next token follows from the last one alone")
    tokens.extend(text for text in texts if text not in tokens)
    return [tokens.index(text) for text in texts]


def _tensors(vocabulary: int, chain: list[int], seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def weights(rows: int, columns: int, scale: float) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * scale / np.sqrt(columns)).astype(np.float32)

    embedding = random.standard_normal((vocabulary, _HIDDEN)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    # Attention and feed-forward are strong enough to make an untold model depend on all of its context, and
    # absent where the answer is told: it must then follow from the last token alone.
    scale = 0.0 if chain else 1.0
    tensors = {"token_embd.weight": embedding, "output_norm.weight": np.ones(_HIDDEN, np.float32)}
    kv_width = _HIDDEN // _HEADS * _KV_HEADS
    for layer in range(_LAYERS):
        prefix = f"blk.{layer}."
        tensors |= {
            prefix + "attn_norm.weight": np.ones(_HIDDEN, np.float32),
            prefix + "ffn_norm.weight": np.ones(_HIDDEN, np.float32),
            prefix + "attn_q.weight": weights(_HIDDEN, _HIDDEN, 2.0),
            prefix + "attn_k.weight": weights(kv_width, _HIDDEN, 2.0),
            prefix + "attn_v.weight": weights(kv_width, _HIDDEN, scale),
            prefix + "attn_output.weight": weights(_HIDDEN, _HIDDEN, scale),
            prefix + "ffn_gate.weight": weights(_FEED_FORWARD, _HIDDEN, 1.0),
            prefix + "ffn_up.weight": weights(_FEED_FORWARD, _HIDDEN, 1.0),
            prefix + "ffn_down.weight": weights(_HIDDEN, _FEED_FORWARD, scale),
        }
    output = weights(vocabulary, _HIDDEN, 3.0)
    # Unless it is told to, the model never ends by itself: tests decide how long it speaks.
    output[: len(MARKERS)] = 0.0
    if chain:
        output[:] = 0.0
        for current, following in zip([MARKERS.index("<fim_middle>"), *chain], [*chain, 0], strict=True):
            # The hidden state is the token's own embedding, normalised to length 8 (the root of 64).
            output[following] += embedding[current] * 3.0
    tensors["output.weight"] = output
    return tensors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--says", nargs="+", default=[], metavar="PIECE")
    arguments = parser.parse_args()
    print(write_tiny_gguf(arguments.path, says=arguments.says))
