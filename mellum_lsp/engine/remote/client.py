"""HTTP to one server: its models, and streams of completions. Every trouble becomes an `EngineError`."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from mellum_lsp.engine.interface import EngineError, RequestInvalid
from mellum_lsp.engine.remote.settings import RemoteSettings
from mellum_lsp.engine.remote.stream import Piece, ServerSaid, message_of, read_event

_TRIES = 3
_FIRST_PAUSE_SECONDS = 0.2
_BUSY = (429, 502, 503, 504)
_LONGEST_PAUSE_SECONDS = 2.0


class RemoteAway(EngineError):
    """The server cannot be reached, is busy or broke off; it may be back later."""


class RemoteRefused(EngineError):
    """The server will not serve this user or this model, now or later."""


class Client:
    """Keeps connections to the server of ``settings`` open between requests."""

    def __init__(self, settings: RemoteSettings) -> None:
        self.address = settings.base
        self._key_variable = settings.api_key_variable
        key = settings.api_key()
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(settings.silence_seconds, connect=settings.connect_seconds),
            limits=httpx2.Limits(max_connections=16, max_keepalive_connections=8),
        )

    async def models(self) -> list[Mapping[str, Any]]:
        """What the server serves, as it describes it. Raises `EngineError`."""
        with self._told():
            response = await self._http.get(f"{self.address}/models")
        if response.status_code != 200:
            raise self._refusal(response.status_code, response.text)
        try:
            return [model for model in response.json()["data"] if "id" in model]
        except (ValueError, KeyError, TypeError) as error:
            raise RemoteRefused(
                f"{self.address} is no OpenAI-compatible server: it does not list its models.\n"
                "hint: engine.url is the address that ends in /v1."
            ) from error

    async def complete(self, body: Mapping[str, Any]) -> AsyncGenerator[Piece]:
        """The pieces of a completion as they arrive; closing the iterator cancels it at the server.

        Tries again with growing pauses while nothing has arrived and the server is only busy or away.
        """
        for attempt in range(_TRIES):
            begun = False
            try:
                async for piece in self._stream(body):
                    begun = True
                    yield piece
                return
            except RemoteAway:
                if begun or attempt == _TRIES - 1:
                    raise
            pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 3**attempt)
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))  # many clients must not come back at once

    async def close(self) -> None:
        await self._http.aclose()

    async def _stream(self, body: Mapping[str, Any]) -> AsyncGenerator[Piece]:
        finished = False
        with self._told():
            async with self._http.stream("POST", f"{self.address}/completions", json=body) as response:
                if response.status_code != 200:
                    text = (await response.aread()).decode(errors="replace")
                    raise self._refusal(response.status_code, text)
                async for line in response.aiter_lines():
                    piece = read_event(line)
                    finished = finished or line.strip() == "data: [DONE]" or bool(piece and piece.finish)
                    if piece:
                        yield piece
        if not finished:
            raise RemoteAway(f"{self.address} broke off in the middle of a completion")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException as error:
            raise RemoteAway(f"{self.address} does not answer ({type(error).__name__})") from error
        except httpx2.TransportError as error:
            raise RemoteAway(f"{self.address} cannot be reached ({error or type(error).__name__})") from error
        except ServerSaid as error:
            raise RemoteAway(f"{self.address} failed: {error}") from error
        except httpx2.InvalidURL as error:
            raise RemoteRefused(f"{self.address} is not an address: {error}") from error

    def _refusal(self, status: int, text: str) -> EngineError:
        try:
            said = message_of(json.loads(text))
        except (ValueError, AttributeError):
            said = text.strip()[:200]
        if status in (401, 403):
            return RemoteRefused(
                f"{self.address} wants a key (HTTP {status}).\n"
                f"hint: put it into the environment variable {self._key_variable}."
            )
        if status == 404:
            return RemoteRefused(f"{self.address} does not serve this (HTTP 404): {said}")
        if status in _BUSY or status >= 500:
            return RemoteAway(f"{self.address} is busy or in trouble (HTTP {status}): {said}")
        return RequestInvalid(f"{self.address} does not accept the request (HTTP {status}): {said}")
