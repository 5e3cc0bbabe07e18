"""The one face of retrieval to the completion pipeline: chunks of the project for a caret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mellum_lsp.domain import Caret, Chunk, ScoredChunk

Listener = Callable[[], None]
"""Called in a thread of the index, so it may only note something: ``loop.call_soon_threadsafe``, say."""


class ContextSource(Protocol):
    """Something that knows the project as it is now. Synchronous and thread-safe."""

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        """The most relevant chunks for ``caret``, best first, at most ``limit``; never its own window.

        Takes milliseconds: for a thread, not for an event loop.
        """

    @property
    def generation(self) -> int:
        """A number that rises whenever the answers of `query` and `is_gone` may have changed; costs nothing.

        Read it before asking: what changes meanwhile then shows as a higher number. While a project is being
        indexed it rises many times a second.
        """

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Calls ``listener`` after every change of `generation`; the function that it returns ends that.

        A change on disk is told some 50 ms later, one in a document once its text has settled.
        """

    def is_gone(self, chunk: Chunk) -> bool:
        """Whether what ``chunk`` says no longer stands in its file; lines that merely moved still do.

        The same for compressed chunks: they are true as long as what they say is. Some 0.1 ms for most files:
        for a thread, as `query` is.
        """

    def compressed(self, chunk: Chunk) -> Chunk | None:
        """A shorter chunk in place of a found one: of what is defined there signatures, fields and the first
        lines of documentation. A definition that goes on behind the chunk, a large class above all, is in it
        whole, and ``end_line`` is where it ends.

        None where that would hardly be shorter, and for a chunk that has changed meanwhile.
        """


class NoContext:
    """A `ContextSource` that knows nothing and never changes: where context plays no part."""

    generation = 0

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        return []

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def is_gone(self, chunk: Chunk) -> bool:
        return False

    def compressed(self, chunk: Chunk) -> Chunk | None:
        return None
