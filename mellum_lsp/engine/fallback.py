"""A remote engine with a local one behind it: completions go on while the server is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from mellum_lsp.engine.interface import Engine, EngineError, GenerateRequest, Generation, ModelInfo, Token

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
"""How long the local engine serves before the remote one is tried again."""

OnSwitch = Callable[[str], None]


class FallbackEngine:
    """Serves from ``remote`` while it answers, else from ``local``, and tries to return.

    The request that meets the failure fails with it, since its prompt speaks the other model's dialect; the
    next one is served by the other engine. ``on_switch`` hears a sentence for the user at every change.
    """

    def __init__(
        self,
        remote: Engine,
        local: Engine,
        on_switch: OnSwitch = lambda message: None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._remote, self._local = remote, local
        self._active = remote
        self._on_switch = on_switch
        self._retry_seconds = retry_seconds
        self._returning: asyncio.Task[None] | None = None

    @property
    def info(self) -> ModelInfo | None:
        return self._active.info

    @property
    def pid(self) -> int | None:
        return self._active.pid

    @property
    def is_remote(self) -> bool:
        """Whether requests leave this process for the server at present."""
        return self._active is self._remote

    async def start(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        if self.is_remote:
            try:
                return await self._remote.start(on_progress)
            except EngineError as error:
                self.leave(error)
        return await self._local.start(on_progress)

    def generate(self, request: GenerateRequest) -> Generation:
        generation = self._active.generate(request)
        return _Watched(generation, self.leave) if self.is_remote else generation

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return await self._active.count_tokens(texts)

    async def close(self) -> None:
        if self._returning:
            self._returning.cancel()
        await self._remote.close()
        await self._local.close()

    def leave(self, error: EngineError) -> None:
        """Serve from the local engine from now on, and look for the remote one from time to time."""
        if not self.is_remote:
            return
        self._active = self._local
        first = str(error).split("\n")[0]
        log.warning("the remote engine is away (%s); the local model serves", first)
        self._on_switch(f"The remote engine is away: {first}. The local model serves until it is back.")
        self._returning = asyncio.create_task(self._return(), name="look for the remote engine")

    async def _return(self) -> None:
        while not self.is_remote:
            await asyncio.sleep(self._retry_seconds)
            with contextlib.suppress(EngineError):
                await self._remote.close()  # what it knew of the server may have changed
                info = await self._remote.start()
                self._active = self._remote
                log.info("the remote engine is back")
                self._on_switch(f"The remote engine is back: {info.name} serves.")


class _Watched:
    """A generation of the remote engine whose failure is noticed."""

    def __init__(self, generation: Generation, on_failure: Callable[[EngineError], None]) -> None:
        self.stats = generation.stats
        self._generation = generation
        self._on_failure = on_failure

    async def __aiter__(self) -> AsyncIterator[Token]:
        try:
            async for token in self._generation:
                yield token
        except EngineError as error:
            self._on_failure(error)
            raise

    def abort(self) -> None:
        self._generation.abort()
