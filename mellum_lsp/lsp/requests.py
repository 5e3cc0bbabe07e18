"""Requests under way: each is answered exactly once, by whoever comes first.

A request can end in many ways: its work finishes or fails, a newer one supersedes it, the client cancels it,
the server shuts down. All of them meet in `Request`, which lets the first answer out and ignores the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

RequestId = str | int | float

current_request: ContextVar[RequestId | None] = ContextVar("current_request", default=None)
"""The request that the running task works for, None for work of the server's own."""


@dataclass(frozen=True, slots=True)
class Later:
    """What a handler returns when its answer takes time: ``work``, which must not block the event loop.

    A request supersedes the one under way with the same ``key``; without a key nothing is superseded.
    """

    work: Coroutine[Any, Any, Any]
    key: Hashable | None = None


@dataclass(frozen=True, slots=True)
class Error:
    """The protocol's error object."""

    code: int
    message: str


Answer = Callable[[RequestId, Any], None]


class Request:
    """One request of the client. ``answer`` is called once, with the result or an `Error`."""

    def __init__(self, request_id: RequestId, method: str, answer: Answer) -> None:
        self.id = request_id
        self.method = method
        self.answered = False
        self._answer = answer
        self._task: asyncio.Task[Any] | None = None

    def work(self, task: asyncio.Task[Any]) -> None:
        self._task = task

    def reply(self, result: Any) -> None:
        """Answer, unless it has been answered."""
        if not self.answered:
            self.answered = True
            self._answer(self.id, result)

    def withdraw(self, result: Any) -> None:
        """Answer at once and stop the work: nobody waits for it any more."""
        self.reply(result)
        if self._task is not None:
            self._task.cancel()


class Requests:
    """All requests under way, by id and by what they supersede."""

    def __init__(self) -> None:
        self._by_id: dict[RequestId, Request] = {}
        self._by_key: dict[Hashable, Request] = {}

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._by_id.values()))

    def get(self, request_id: RequestId) -> Request | None:
        return self._by_id.get(request_id)

    def add(self, request: Request, key: Hashable | None) -> Request | None:
        """Take up a request; the older one that it supersedes, if any."""
        self._by_id[request.id] = request
        if key is None:
            return None
        older = self._by_key.get(key)
        self._by_key[key] = request
        return older

    def remove(self, request: Request, key: Hashable | None) -> None:
        if self._by_id.get(request.id) is request:
            del self._by_id[request.id]
        if key is not None and self._by_key.get(key) is request:
            del self._by_key[key]
