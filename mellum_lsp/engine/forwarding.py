"""An engine by another one, to be changed in part: watched, recorded."""

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


class ForwardingEngine:
    """Implements `Engine` by another one."""

    def __init__(self, inner: Engine) -> None:
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
        return self._inner.generate(request)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return await self._inner.count_tokens(texts)

    async def close(self) -> None:
        await self._inner.close()


class ForwardingGeneration:
    """Implements `Generation` by another one."""

    def __init__(self, inner: Generation) -> None:
        self._inner = inner

    @property
    def stats(self) -> GenerationStats:
        """Those of the generation itself, which may replace them when it ends."""
        return self._inner.stats

    @stats.setter
    def stats(self, stats: GenerationStats) -> None:
        self._inner.stats = stats

    async def __aiter__(self) -> AsyncIterator[Token]:
        async for token in self._inner:
            yield token

    def abort(self) -> None:
        self._inner.abort()
