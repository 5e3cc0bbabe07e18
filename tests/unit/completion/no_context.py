"""A project that knows nothing and never changes, for tests in which context plays no part."""

from __future__ import annotations

from collections.abc import Callable

from mellum_lsp.domain import Caret, Chunk, ScoredChunk


class NoContext:
    generation = 0

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        return []

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def is_gone(self, chunk: Chunk) -> bool:
        return False

    def compressed(self, chunk: Chunk) -> Chunk | None:
        return None
