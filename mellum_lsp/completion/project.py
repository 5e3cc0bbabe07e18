"""The project as the planner sees it: asked off the event loop, within a deadline, heard when it changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from mellum_lsp.domain import Caret, Chunk, ScoredChunk
from mellum_lsp.retrieval.interface import ContextSource

log = logging.getLogger(__name__)

T = TypeVar("T")


class InThread(Protocol):
    """Runs work in a thread; awaited on the event loop."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]: ...


class Project:
    """Wraps a context source for one event loop. Trouble with the context costs the context, nothing else."""

    def __init__(self, source: ContextSource, in_thread: InThread) -> None:
        self._source = source
        self._in_thread = in_thread
        self._unlisten: Callable[[], None] | None = None

    @property
    def generation(self) -> int:
        """Rises whenever the answers may have changed."""
        return self._source.generation

    async def find(self, caret: Caret, seconds: float) -> Sequence[ScoredChunk] | None:
        """Chunks for the caret, best first; None where they could not be had, or not within ``seconds``."""
        try:
            return await asyncio.wait_for(self._in_thread(lambda: self._source.query(caret)), seconds)
        except TimeoutError:
            log.info("project context took longer than %.0f ms, going on without", seconds * 1000)
        except Exception:
            log.exception("project context failed, going on without")
        return None

    def is_gone(self, chunk: Chunk) -> bool:
        """Whether what the chunk says no longer stands in its file; for a thread."""
        return self._source.is_gone(chunk)

    def compressed(self, chunk: Chunk) -> Chunk | None:
        """The compressed form of a chunk that was found, if there is a shorter one; for a thread."""
        return self._source.compressed(chunk)

    def listen(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` on the running event loop after every change, from now on; only once."""
        if self._unlisten is not None:
            return
        loop = asyncio.get_running_loop()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(changed)

        self._unlisten = self._source.on_change(tell)

    def close(self) -> None:
        if self._unlisten is not None:
            self._unlisten()
