"""An engine that lets others see what it said: every token with its probability, as it passes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mellum_lsp.completion.generated import Collector, Generated
from mellum_lsp.domain import Prompt
from mellum_lsp.engine.forwarding import ForwardingEngine, ForwardingGeneration
from mellum_lsp.engine.interface import Engine, GenerateRequest, Generation, Token


class RecordedGeneration(ForwardingGeneration):
    """A generation whose tokens are collected while somebody reads them."""

    def __init__(self, inner: Generation, request: GenerateRequest) -> None:
        super().__init__(inner)
        self.request = request
        self._collector = Collector()

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


class RecordingEngine(ForwardingEngine):
    """An `Engine` like the one it wraps; ``last`` is the latest generation that was to bring tokens."""

    def __init__(self, inner: Engine) -> None:
        super().__init__(inner)
        self.last: RecordedGeneration | None = None

    def generate(self, request: GenerateRequest) -> Generation:
        generation = super().generate(request)
        if not request.max_tokens:
            return generation
        self.last = RecordedGeneration(generation, request)
        return self.last
