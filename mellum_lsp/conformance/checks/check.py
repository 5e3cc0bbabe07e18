"""What a check is, and the server that it is made of."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from mellum_lsp.conformance.client import LspClient, ServerError

INLINE, COMPLETION = "textDocument/inlineCompletion", "textDocument/completion"
EMPTY: dict[str, Any] = {INLINE: {"items": []}, COMPLETION: {"isIncomplete": True, "items": []}}

SCRIPT: list[dict[str, Any]] = [
    {"after": "def add(a, b):\n    ", "text": "return a + b\n"},
    {"after": "for name in names:\n    ", "text": "if name:\n        print(name)\n"},
    {"after": "slow = ", "text": "answer()\n", "seconds": 0.3},
    {"after": "never = ", "text": "answer()\n", "seconds": 600},
    {"after": "items.append", "text": "(thing)\n"},
    {"after": "print(", "text": "value)\n"},
    {"after": "right = '😀é𝒳'; ", "text": "print(right)\n"},
]
"""What a scripted server says behind which text."""

Promise = Literal["lsp", "mellum"]


class Violation(Exception):
    """The server broke its promise."""


class Skipped(Exception):
    """The check cannot be made of this server; the message says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A session with a fresh server. ``finished`` waits for its exit code."""

    client: LspClient
    finished: Callable[[], Awaitable[int]]


Start = Callable[[], AbstractAsyncContextManager[Peer]]


class Subject:
    """The server under check. ``start`` starts one; ``scripted`` says that it follows `SCRIPT`."""

    def __init__(self, start: Start, *, scripted: bool) -> None:
        self.scripted = scripted
        self._start = start
        self._numbers = itertools.count(1)
        self._stack = AsyncExitStack()
        self._running: LspClient | None = None

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Peer]:
        """A server that has heard nothing yet. Every request made of it must have one reply at the end."""
        async with self._start() as peer:
            yield peer
            peer.client.assert_all_answered_once()

    @asynccontextmanager
    async def session(self, **params: Any) -> AsyncIterator[Peer]:
        """A session of its own, initialized with ``params``."""
        async with self.fresh() as peer:
            await peer.client.initialize(**params)
            yield peer

    async def running(self) -> LspClient:
        """A session that checks share, as long as it lives."""
        if self._running is None:
            peer = await self._stack.enter_async_context(self._start())
            self._running = peer.client
            await self._running.initialize()
        return self._running

    def verify(self) -> None:
        """Raises `ProtocolError` where a request of the shared session has not had exactly one reply."""
        if self._running:
            self._running.assert_all_answered_once()

    async def close(self, *, broken: bool = False) -> None:
        """End the shared session; the next check that wants one begins another."""
        client, self._running = self._running, None
        try:
            if client and not broken:
                await client.end()
        finally:
            await self._stack.aclose()

    def uri(self) -> str:
        """A document that no other check knows."""
        return f"file:///conformance/{next(self._numbers)}.py"

    def needs_script(self) -> None:
        """Raises `Skipped` where nobody knows what the server will say."""
        if not self.scripted:
            raise Skipped("needs a scripted server: put {script} where your command takes a script")


@dataclass(frozen=True, slots=True)
class Check:
    """``title`` is what is promised, by the Language Server Protocol or by docs/protocol.md."""

    name: str
    title: str
    promise: Promise
    run: Callable[[Subject], Awaitable[None]]


ALL: list[Check] = []


def check(promise: Promise) -> Callable[[Callable[[Subject], Awaitable[None]]], Callable[..., Any]]:
    """Makes a check of a function; the first line of its docstring is what is promised."""

    def listed(run: Callable[[Subject], Awaitable[None]]) -> Callable[[Subject], Awaitable[None]]:
        title = (run.__doc__ or "").strip().split("\n", 1)[0].rstrip(".")
        ALL.append(Check(run.__name__.replace("_", "-"), title, promise, run))
        return run

    return listed


def require(condition: object, complaint: str) -> None:
    """Raises `Violation` with the complaint unless the condition holds."""
    if not condition:
        raise Violation(complaint)


async def refused(request: Awaitable[Any], code: int, what: str) -> None:
    """Raises `Violation` unless the request ends in the error ``code``."""
    try:
        result = await request
    except ServerError as error:
        require(error.code == code, f"{what}: error {error.code} ({error}) in place of {code}")
    else:
        raise Violation(f"{what}: answered {result!r} in place of error {code}")


def only(items: list[dict[str, Any]], what: str) -> dict[str, Any]:
    """The first item, of which there must be one."""
    require(items, f"{what}: nothing was suggested")
    return items[0]
