"""Work that nobody awaits: kept from the garbage collector, failures logged, all of it stopped at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Hashable
from typing import Any

from mellum_lsp.lsp.logs import failure

log = logging.getLogger(__name__)


class Background:
    """Tasks of one session."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._latest: dict[Hashable, asyncio.Task[Any]] = {}

    def spawn(self, work: Coroutine[Any, Any, Any], what: str) -> asyncio.Task[Any]:
        """Start ``work``; ``what`` names it where it fails."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, what))
        return task

    def replace(self, key: Hashable, work: Coroutine[Any, Any, Any], what: str) -> None:
        """Start ``work`` in place of what was started with the same ``key``, which is stopped."""
        older = self._latest.get(key)
        task = self._latest[key] = self.spawn(work, what)
        task.add_done_callback(lambda done: self._forget(key, done))
        if older is not None:
            older.cancel()

    async def close(self) -> None:
        """Stop everything and wait until it has stopped."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        if self._latest.get(key) is task:
            del self._latest[key]

    def _ended(self, task: asyncio.Task[Any], what: str) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s", failure(f"{what} failed", error))
