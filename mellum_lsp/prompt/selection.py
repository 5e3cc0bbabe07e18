"""Which chunks go into a budget, and each in which form: in full, or compressed to what it promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from mellum_lsp.domain import Chunk, ScoredChunk
from mellum_lsp.prompt.context import file_text
from mellum_lsp.prompt.dialects.base import ContextFile

Cost = Callable[[ContextFile], int]
"""What a file of context adds to the prompt, in tokens."""
Compress = Callable[[Chunk], Chunk | None]
"""The compressed form of a chunk (signatures for bodies); None where there is none that is shorter."""


def uncompressed(chunk: Chunk) -> None:
    """Knows no compressed forms."""


def select(
    chunks: Iterable[ScoredChunk],
    tokens: int,
    cost: Cost,
    held: Sequence[ScoredChunk] = (),
    compress: Compress = uncompressed,
) -> tuple[ScoredChunk, ...]:
    """The best ``chunks`` (given best first) whose files, with what is ``held``, cost at most ``tokens``.

    Each in full as long as that fits, for bodies say more than signatures: of 646 names that held-out lines
    of five Python packages needed, full forms first held 240 in prompts of 1,000 tokens, compressed forms
    first 168. What no longer fits in full is compressed, and what does not fit then either is passed over
    for something smaller behind it.
    """
    taken: list[ScoredChunk] = []
    files = _Files(tokens, cost, held)
    for one in chunks:
        if files.take(one.chunk):
            taken.append(one)
        elif (shorter := compress(one.chunk)) and files.take(shorter):
            taken.append(replace(one, chunk=shorter, whole=one.chunk))
    return tuple(taken)


class _Files:
    """Chunks by their files, and what of ``tokens`` is left beside them."""

    def __init__(self, tokens: int, cost: Cost, held: Sequence[ScoredChunk]) -> None:
        self._cost = cost
        self._chunks: dict[str, list[Chunk]] = {}
        for one in held:
            self._chunks.setdefault(one.chunk.path, []).append(one.chunk)
        self._costs = {path: self._cost_of(path, chunks) for path, chunks in self._chunks.items()}
        self._left = tokens - sum(self._costs.values())

    def take(self, chunk: Chunk) -> bool:
        """Add a chunk to its file, if that fits and the file does not show it yet, in whichever form."""
        others = self._chunks.get(chunk.path, [])
        if any(_clash(other, chunk) for other in others):
            return False
        cost = self._cost_of(chunk.path, [*others, chunk])
        left = self._left + self._costs.get(chunk.path, 0) - cost
        if left < 0:
            return False
        self._chunks[chunk.path], self._costs[chunk.path], self._left = [*others, chunk], cost, left
        return True

    def _cost_of(self, path: str, chunks: list[Chunk]) -> int:
        return self._cost(ContextFile(path, file_text(chunks)))


def _clash(held: Chunk, new: Chunk) -> bool:
    """Whether ``held`` shows what is ``new``, or both show the same lines and not both in full."""
    if held.start_line <= new.start_line and new.end_line <= held.end_line:
        return True
    overlap = new.start_line <= held.end_line and held.start_line <= new.end_line
    return overlap and not (_is_full(held) and _is_full(new))


def _is_full(chunk: Chunk) -> bool:
    return chunk.text.removesuffix("\n").count("\n") == chunk.end_line - chunk.start_line
