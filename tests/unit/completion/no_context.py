"""A project that knows nothing, for tests in which context plays no part."""

from __future__ import annotations

from mellum_lsp.domain import Caret, ScoredChunk


class NoContext:
    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        return []
