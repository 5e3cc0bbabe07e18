"""The one face of retrieval to the completion pipeline: chunks of the project for a caret."""

from __future__ import annotations

from typing import Protocol

from mellum_lsp.domain import Caret, ScoredChunk


class ContextSource(Protocol):
    """Something that knows the project. Synchronous, thread-safe, answers in milliseconds."""

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        """The most relevant chunks for ``caret``, best first, at most ``limit``; never its own window."""
