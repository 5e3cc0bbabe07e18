"""How much context a model gets: what prompts need on this machine, and what its memory has room for.

A few sequences have room for a full prompt each, and what other documents evaluated is parked beside them in
as many bytes as it takes (`states`), where memory allows. A model for which not even one short prompt fits is
refused before it is loaded, because a machine that runs out of memory takes the editor with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from mellum_lsp.engine.gguf import GgufHeader
from mellum_lsp.engine.interface import ModelTooLarge

DOCUMENTS = 4
"""Documents whose full prompts are to stay evaluated, beside those that a sequence holds."""
LONGEST_CONTEXT = 8192
SHORTEST_CONTEXT = 1024
_WARMED_SECONDS, _BESIDE = 4.0, 256
"""A prompt that is evaluated ahead of time takes about so long; it gets an answer, and is typed into."""
_BUFFER_BYTES = 128 * 1024**2
"""Beside weights and cache: the graph's buffers, logits, the interpreter."""
_MOST_PARKED_BYTES = 1024**3
_CHEAP_CONTEXT, _CHEAP_BYTES = 2048, 64 * 1024**2
"""So much a sequence has however slow the model looked when it was measured, if it takes no more memory."""
_PARKED_STATES_BYTES = 256 * 1024**2
"""For recurrent models, whose states have a size that the header does not tell."""
_STEP = 256
_Q4_K_M_BITS = 4.9
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class ContextSize:
    """``context_tokens`` may one prompt have with its answer, and so many cells has each of ``sequences``;
    ``parked_bytes`` is the room for what they do not hold."""

    context_tokens: int
    sequences: int
    parked_bytes: int


def wanted_size(
    trained: int,
    asked: int | None,
    prefill_tokens_per_second: float,
    sequences: int,
    bytes_per_token: int,
) -> ContextSize:
    """What to make room for. ``trained`` is the model's own context (0 where it does not say), ``asked`` the
    longest prompt a user wants with its answer."""
    warmed = _stepped(prefill_tokens_per_second * _WARMED_SECONDS) + _BESIDE
    cheap = min(_CHEAP_CONTEXT, _CHEAP_BYTES // bytes_per_token) if bytes_per_token else _CHEAP_CONTEXT
    context = asked or min(LONGEST_CONTEXT, max(SHORTEST_CONTEXT, cheap, warmed))
    context = min(context, trained or context)
    parked = min(_MOST_PARKED_BYTES, DOCUMENTS * context * bytes_per_token or _PARKED_STATES_BYTES)
    return ContextSize(context, sequences, parked)


def fitting_size(wanted: ContextSize, bytes_per_token: int, free_bytes: int) -> ContextSize:
    """As much of ``wanted`` as ``free_bytes`` hold: sequences take at most half of them, a single one up to
    nine tenths, and a quarter of what they leave is for parking."""
    if not bytes_per_token:
        return wanted
    each = wanted.context_tokens * bytes_per_token
    sequences = max(1, min(wanted.sequences, free_bytes // 2 // each))
    if sequences == 1:
        most = _stepped_down(free_bytes * 9 // 10 // bytes_per_token)
        wanted = replace(wanted, context_tokens=min(wanted.context_tokens, max(SHORTEST_CONTEXT, most)))
    left = free_bytes - sequences * wanted.context_tokens * bytes_per_token
    return replace(wanted, sequences=sequences, parked_bytes=min(wanted.parked_bytes, max(0, left // 4)))


def cache_bytes_per_token(header: GgufHeader) -> int:
    """What one token takes in the cache, in half precision, over all layers."""
    layers, heads = _number(header, "block_count"), _number(header, "attention.head_count")
    if not heads:
        return 0  # a recurrent model: its state does not grow
    kv_heads = _number(header, "attention.head_count_kv") or heads
    width = _number(header, "embedding_length") // heads
    key = _number(header, "attention.key_length") or width
    value = _number(header, "attention.value_length") or width
    return 2 * layers * kv_heads * (key + value)


def memory_left(header: GgufHeader, available: int) -> int:
    """Bytes that the weights leave of ``available``. Raises `ModelTooLarge` where the shortest context does
    not fit into them."""
    left = available - header.file_bytes - _BUFFER_BYTES
    trained = _number(header, "context_length") or SHORTEST_CONTEXT
    context = min(SHORTEST_CONTEXT, trained)
    needed = context * cache_bytes_per_token(header)
    if left >= needed:
        return left
    total = header.file_bytes + _BUFFER_BYTES + needed
    raise ModelTooLarge(
        f"{header.path}: the model needs {_gib(total)} of memory (weights {_gib(header.file_bytes)}, "
        f"{context:,} tokens of context, buffers), and {_gib(available)} are free\n"
        f"hint: {_alternatives(header, available, total)}"
    )


def _alternatives(header: GgufHeader, available: int, total: int) -> str:
    weights = sum(prod(shape) for shape in header.shapes.values())
    smaller = int(weights * _Q4_K_M_BITS / 8) + total - header.file_bytes
    quantised = (
        f"quantise it to Q4_K_M (about {_gib(smaller)} then: `mellum-lsp models quantize`), "
        if smaller < min(available, total * 0.9)
        else ""
    )
    return (
        f"{quantised}choose another model (`mellum-lsp models list` says which fit; nano-135m, the embedded "
        "one, needs 0.5 GiB), or end other programs"
    )


def _number(header: GgufHeader, key: str) -> int:
    """A number of the architecture's own, 0 where the header has none."""
    try:
        return int(header.metadata[f"{header.architecture}.{key}"])
    except (KeyError, ValueError):
        return 0


def _stepped(tokens: float) -> int:
    return -int(-tokens // _STEP) * _STEP


def _stepped_down(tokens: int) -> int:
    return tokens // _STEP * _STEP


def _gib(size: int) -> str:
    return f"{max(size, 0) / _GIB:.1f} GiB"
