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

        Microseconds where the file has not changed since it was last looked at, else below a millisecond for
        most files: for a thread, as `query` is.
        """
