"""An engine that lets others see what it said: every token with its probability, as it passes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from mellum_lsp.completion.generated import Collector, Generated
from mellum_lsp.domain import Prompt
from mellum_lsp.engine.interface import (
    Engine,
    GenerateRequest,
    Generation,
    GenerationStats,
    ModelInfo,
    Token,
)


class RecordedGeneration:
    """A generation whose tokens are collected while somebody reads them."""

    def __init__(self, inner: Generation, request: GenerateRequest) -> None:
        self.request = request
        self._inner = inner
        self._collector = Collector()

    @property
    def stats(self) -> GenerationStats:
        """Those of the generation itself, which may replace them when it ends."""
        return self._inner.stats

    @stats.setter
    def stats(self, stats: GenerationStats) -> None:
        self._inner.stats = stats

    @property
    def prompt(self) -> Prompt:
        return tuple(self.request.parts)

    def generated(self) -> Generated:
        """What was generated so far; complete when the stream has ended."""
        return self._collector.generated(self.stats.stop)

    async def __aiter__(self) -> AsyncIterator[Token]:
        async for token in self._inner:
            self._collector.add(token)
            yield token

    def abort(self) -> None:
        self._inner.abort()


class RecordingEngine:
    """An `Engine` like the one it wraps; ``last`` is the latest generation that was to bring tokens."""

    def __init__(self, inner: Engine) -> None:
        self.last: RecordedGeneration | None = None
        self._inner = inner

    @property
    def info(self) -> ModelInfo | None:
        return self._inner.info

    @property
    def pid(self) -> int | None:
        return self._inner.pid

    async def start(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        return await self._inner.start(on_progress)

    def generate(self, request: GenerateRequest) -> Generation:
        generation = self._inner.generate(request)
        if not request.max_tokens:
            return generation
        self.last = RecordedGeneration(generation, request)
        return self.last

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return await self._inner.count_tokens(texts)

    async def close(self) -> None:
        await self._inner.close()
