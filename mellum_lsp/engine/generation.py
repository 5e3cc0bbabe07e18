"""A generation as the server sees it: tokens that have arrived, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from mellum_lsp.engine.interface import EngineError, GenerationStats, Token


class LlamaGeneration:
    """Implements `interface.Generation`: its tokens arrive while the engine works, read or not."""

    def __init__(self, abort: Callable[[], None]):
        self.stats = GenerationStats()
        self.ended = False
        self._abort = abort
        self._arrived: asyncio.Queue[Token | EngineError | None] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[Token]:
        while True:
            item = await self._arrived.get()
            if isinstance(item, Token):
                yield item
                continue
            self._arrived.put_nowait(item)  # whoever iterates again finds the same end
            if item is None:
                return
            raise item

    def abort(self) -> None:
        if not self.ended:
            self._abort()

    def add(self, token: Token) -> None:
        self._arrived.put_nowait(token)

    def finish(self, stats: GenerationStats) -> None:
        self.stats = stats
        self._end(None)

    def fail(self, error: EngineError) -> None:
        self._end(error)

    def _end(self, outcome: EngineError | None) -> None:
        if not self.ended:
            self.ended = True
            self._arrived.put_nowait(outcome)
