"""An engine that tells of every generation when it has ended: what all of them together cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from mellum_lsp.engine.forwarding import ForwardingEngine, ForwardingGeneration
from mellum_lsp.engine.interface import Engine, GenerateRequest, Generation, GenerationStats, Token

OnEnded = Callable[[GenerateRequest, GenerationStats], None]


class WatchedEngine(ForwardingEngine):
    """Implements `Engine` by another one. ``on_ended`` hears of generations whose stream was read to its
    end, aborted ones included."""

    def __init__(self, engine: Engine, on_ended: OnEnded) -> None:
        super().__init__(engine)
        self._on_ended = on_ended

    def generate(self, request: GenerateRequest) -> Generation:
        return _Watched(request, super().generate(request), self._on_ended)


class _Watched(ForwardingGeneration):
    def __init__(self, request: GenerateRequest, generation: Generation, on_ended: OnEnded) -> None:
        super().__init__(generation)
        self._request = request
        self._on_ended = on_ended

    async def __aiter__(self) -> AsyncIterator[Token]:
        async for token in self._inner:
            yield token
        self._on_ended(self._request, self.stats)
