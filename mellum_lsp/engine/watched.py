"""An engine that tells of every generation when it has ended: what all of them together cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from mellum_lsp.engine.interface import (
    Engine,
    GenerateRequest,
    Generation,
    GenerationStats,
    ModelInfo,
    Token,
)

OnEnded = Callable[[GenerateRequest, GenerationStats], None]


class WatchedEngine:
    """Implements `Engine` by another one. ``on_ended`` hears of generations whose stream was read to its
    end, aborted ones included."""

    def __init__(self, engine: Engine, on_ended: OnEnded) -> None:
        self._engine = engine
        self._on_ended = on_ended

    @property
    def info(self) -> ModelInfo | None:
        return self._engine.info

    @property
    def pid(self) -> int | None:
        return self._engine.pid

    async def start(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        return await self._engine.start(on_progress)

    def generate(self, request: GenerateRequest) -> Generation:
        return _Watched(request, self._engine.generate(request), self._on_ended)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return await self._engine.count_tokens(texts)

    async def close(self) -> None:
        await self._engine.close()


class _Watched:
    def __init__(self, request: GenerateRequest, generation: Generation, on_ended: OnEnded) -> None:
        self._request = request
        self._generation = generation
        self._on_ended = on_ended

    @property
    def stats(self) -> GenerationStats:
        return self._generation.stats

    @stats.setter
    def stats(self, stats: GenerationStats) -> None:
        self._generation.stats = stats

    async def __aiter__(self) -> AsyncIterator[Token]:
        async for token in self._generation:
            yield token
        self._on_ended(self._request, self.stats)

    def abort(self) -> None:
        self._generation.abort()
