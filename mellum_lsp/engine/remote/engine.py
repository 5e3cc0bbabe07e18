"""`RemoteEngine`: the same prompts and policies, decoded by a server that the user named.

What a GGUF on this machine tells of itself, a server does not: the dialect comes from the settings or from
the model's name, tokens are estimated from bytes (on the safe side), and the speeds are measured by one
request.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from mellum_lsp.engine.interface import GenerateRequest, GenerationStats, ModelInfo, Token
from mellum_lsp.engine.remote.client import Client, RemoteRefused
from mellum_lsp.engine.remote.prompt import as_text
from mellum_lsp.engine.remote.settings import RemoteSettings
from mellum_lsp.engine.remote.stream import Piece

log = logging.getLogger(__name__)

BYTES_PER_TOKEN = 2.6
"""Code has 3 to 4 bytes a token in the vocabularies of code models; fewer here, so that prompts fit."""

DIALECT_KEY = "mellum_lsp.dialect"
_CONTEXT_TOKENS = 8192
"""Taken for a server that does not say what its model has room for."""
_PROBE_WORDS = 400
_PROBE_TOKENS = 8


class RemoteEngine:
    """Implements `mellum_lsp.engine.interface.Engine` over HTTP.

    Nothing is sent before `start`. ``pid`` stays None: what decodes is no process of ours.
    """

    pid: int | None = None

    def __init__(self, settings: RemoteSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._info: ModelInfo | None = None
        self._starting: asyncio.Task[ModelInfo] | None = None
        self._model = ""

    @property
    def info(self) -> ModelInfo | None:
        return self._info

    async def start(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        """Ask the server what it serves and measure its speed with one request of nonsense."""
        if self._info:
            return self._info
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="reach the remote engine")
            self._starting.add_done_callback(self._started)
        return await asyncio.shield(self._starting)

    def generate(self, request: GenerateRequest) -> RemoteGeneration:
        return RemoteGeneration(self, request)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [estimated_tokens(text) for text in texts]

    async def close(self) -> None:
        if self._starting:
            self._starting.cancel()
        if self._client:
            await self._client.close()
        self._client, self._info = None, None

    def _started(self, task: asyncio.Task[ModelInfo]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # told to whoever waits; nobody may

    async def _start(self) -> ModelInfo:
        try:
            self._client = self._client or Client(self._settings)
        except ValueError as error:
            raise RemoteRefused(str(error)) from error
        served = await self._client.models()
        model = _chosen(self._settings, served, self._client.address)
        self._model = str(model["id"])
        prefill, decode, knows = await self._measure()
        if not knows:
            log.warning(
                "%s sends no probabilities: the gate lets everything through. vLLM and llama.cpp's server "
                "send them.",
                self._client.address,
            )
        metadata = {"general.name": self._model}
        if self._settings.dialect:
            metadata[DIALECT_KEY] = self._settings.dialect
        self._info = ModelInfo(
            name=self._model,
            path=self._client.address,
            architecture="remote",
            context_tokens=_context_of(model),
            markers=frozenset(),
            metadata=metadata,
            prefill_tokens_per_second=prefill,
            decode_tokens_per_second=decode,
        )
        return self._info

    async def _measure(self) -> tuple[float, float, bool]:
        """Tokens a second of prefill and of decoding, and whether probabilities come, from one request."""
        # Words that no cache of the server's has seen.
        prompt = " ".join(secrets.token_hex(2) for _ in range(_PROBE_WORDS))
        begun = first = time.perf_counter()
        tokens, knows = 0, False
        assert self._client
        async with aclosing(self._client.complete(self.body(prompt, _PROBE_TOKENS))) as pieces:
            async for piece in pieces:
                if not tokens:
                    first = time.perf_counter()
                tokens += piece.tokens
                knows = knows or piece.has_probability
        ended = time.perf_counter()
        prefill = estimated_tokens(prompt) / max(first - begun, 1e-3)
        decode = max(tokens - 1, 1) / max(ended - first, 1e-3)
        return prefill, decode, knows

    def body(self, prompt: str, max_tokens: int, stop: Sequence[str] = (), rank: int = 0) -> dict[str, Any]:
        """A request as the server wants it: greedy, or another candidate for every ``rank`` above 0."""
        body: dict[str, Any] = {
            "model": self._model,
            "prompt": prompt,
            "max_tokens": max(1, max_tokens),
            "temperature": 0.0,
            "stream": True,
            "logprobs": 1,
        }
        if rank:
            body |= {"temperature": 0.8, "seed": rank}
        if stop:
            body["stop"] = list(stop)
        return body

    async def stream(self, request: GenerateRequest, text: str) -> AsyncGenerator[Piece]:
        """The pieces of a generation, started first where need be."""
        await self.start()
        assert self._client
        body = self.body(text, request.max_tokens, request.stop_markers, request.first_token_rank)
        async with aclosing(self._client.complete(body)) as pieces:
            async for piece in pieces:
                yield piece


class RemoteGeneration:
    """One request on its way. To abort closes the connection, at which the server ends its work."""

    def __init__(self, engine: RemoteEngine, request: GenerateRequest) -> None:
        self.stats = GenerationStats()
        self._engine = engine
        self._request = request
        self._aborted = asyncio.Event()

    def abort(self) -> None:
        self._aborted.set()

    async def __aiter__(self) -> AsyncIterator[Token]:
        request, stats = self._request, self.stats
        stats.part_tokens = [estimated_tokens(part.text) for part in request.parts]
        stats.prompt_tokens = stats.evaluated_tokens = sum(stats.part_tokens)
        text = as_text(request.spelled_out(), request.stop_markers)
        begun = time.perf_counter()
        joint = 1.0
        async with aclosing(self._engine.stream(request, text)) as pieces:
            while (piece := await self._next(pieces)) is not None:
                if not stats.prefill_ms:
                    stats.prefill_ms = (time.perf_counter() - begun) * 1000
                stats.decode_ms = (time.perf_counter() - begun) * 1000 - stats.prefill_ms
                if not request.max_tokens:
                    break  # only the server's cache was to be warmed
                stats.generated_tokens += piece.tokens
                if piece.text:
                    yield Token(-1, piece.text.encode(), piece.probability)
                joint *= piece.probability
                if joint < request.min_joint_probability:
                    stats.stop = "probability"
                    return
                if piece.finish:
                    stats.stop = "length" if piece.finish == "length" else "end"
                    return
        stats.stop = "aborted" if self._aborted.is_set() else "end"

    async def _next(self, pieces: AsyncIterator[Piece]) -> Piece | None:
        """The next piece; None at the end and as soon as the generation is aborted."""
        if self._aborted.is_set():
            return None
        arriving = asyncio.ensure_future(anext(pieces, None))
        aborted = asyncio.ensure_future(self._aborted.wait())
        try:
            await asyncio.wait([arriving, aborted], return_when=asyncio.FIRST_COMPLETED)
            return arriving.result() if arriving.done() else None
        finally:
            aborted.cancel()
            if not arriving.done():
                arriving.cancel()
                await asyncio.wait([arriving])


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many than too few."""
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


def _chosen(settings: RemoteSettings, served: Sequence[Mapping[str, Any]], address: str) -> Mapping[str, Any]:
    for model in served:
        if settings.model in ("", model["id"]):
            return model
    names = ", ".join(str(model["id"]) for model in served) or "nothing"
    raise RemoteRefused(
        f"{address} does not serve {settings.model or 'any model'}; it serves {names}.\n"
        "hint: name one of them in the setting `engine.model`."
    )


def _context_of(model: Mapping[str, Any]) -> int:
    """vLLM tells ``max_model_len``, llama.cpp's server ``meta.n_ctx``."""
    meta = model.get("meta")
    said = model.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, Mapping) else None)
    return int(said) if isinstance(said, int) and said > 0 else _CONTEXT_TOKENS
