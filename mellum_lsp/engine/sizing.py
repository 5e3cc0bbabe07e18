"""How much context a model gets: what prompts need on this machine, and what its memory has room for.

All sequences share the cells of one cache. It is made so large that the full prompts of several documents
stay evaluated side by side, where memory allows; a model for which not even a short prompt fits is refused
before it is loaded, because a machine that runs out of memory takes the editor with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from mellum_lsp.engine.gguf import GgufHeader
from mellum_lsp.engine.interface import ModelTooLarge

DOCUMENTS = 4
"""Full prompts that are to stay evaluated side by side."""
LONGEST_CONTEXT = 8192
SHORTEST_CONTEXT = 1024
_ANSWER_TOKENS = 192
_WARMED_SECONDS, _SHORTEST_WARMED = 4.0, 512
"""A prompt that is evaluated ahead of time takes about so long, and has at least so many tokens."""
_PATIENCE_SECONDS, _SHORTEST_LIMIT = 16.0, 2048
"""Longer ones nobody waits for; so much is allowed all the same."""
_BUFFER_BYTES = 128 * 1024**2
"""Beside weights and cache: the graph's buffers, logits, the interpreter."""
_STEP = 256
_Q4_K_M_BITS = 4.9
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class ContextSize:
    """``limit`` tokens may one prompt have with its answer; all sequences together ``cells``."""

    limit: int
    cells: int


def wanted_size(trained: int, asked: int | None, prefill_tokens_per_second: float) -> ContextSize:
    """What to make room for. ``trained`` is the model's own context (0 where it does not say), ``asked`` the
    longest prompt a user wants with its answer."""
    most = trained or LONGEST_CONTEXT
    speed = prefill_tokens_per_second
    limit = asked or min(LONGEST_CONTEXT, max(_SHORTEST_LIMIT, _stepped(speed * _PATIENCE_SECONDS)))
    limit = min(limit, most)
    full = min(limit, max(_SHORTEST_WARMED, int(speed * _WARMED_SECONDS)) + _ANSWER_TOKENS)
    return ContextSize(limit, max(limit, _stepped(DOCUMENTS * full)))


def fitting_size(wanted: ContextSize, bytes_per_token: int, free_bytes: int) -> ContextSize:
    """As much of ``wanted`` as ``free_bytes`` hold: what is for several documents takes at most half of them,
    a single prompt up to nine tenths."""
    if not bytes_per_token:
        return wanted
    limit = min(wanted.limit, max(SHORTEST_CONTEXT, _stepped_down(free_bytes * 9 // 10 // bytes_per_token)))
    cells = min(wanted.cells, _stepped_down(free_bytes // 2 // bytes_per_token))
    return ContextSize(limit, max(limit, cells))


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
