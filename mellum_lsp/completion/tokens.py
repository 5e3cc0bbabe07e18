"""How many tokens a text has: exact where a planning thread may wait for the engine, else estimated."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from mellum_lsp.engine.interface import Engine

_LONGEST_WAIT_SECONDS = 1.0
_REMEMBERED_CHARACTERS = 2_000_000
_FIRST_BYTES_PER_TOKEN = 3.0
_MARGIN = 1.1


class TokenCounter:
    """A `Count` for plans. On the event loop's own thread it never waits, it estimates."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._known: dict[str, int] = {}
        self._characters = 0
        self._bytes = 0
        self._tokens = 0
        self._asking: set[asyncio.Future[None]] = set()

    def bind_to_running_loop(self) -> None:
        """Called on the loop that the engine belongs to."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def __call__(self, text: str) -> int:
        if not text:
            return 0
        known = self._known.get(text)
        if known is not None:
            return known
        if self._loop is None or threading.get_ident() == self._loop_thread or self._engine.info is None:
            return self.estimate(text)
        answer: Future[int] = Future()
        try:
            self._loop.call_soon_threadsafe(self._ask, text, answer)
            count = answer.result(_LONGEST_WAIT_SECONDS)
        except Exception:  # an engine that cannot count now must not cost the completion
            return self.estimate(text)
        self._remember(text, count)
        return count

    def close(self) -> None:
        """From now on everything is estimated."""
        self._loop = None

    def _ask(self, text: str, answer: Future[int]) -> None:
        """On the event loop: let the engine count."""

        async def ask() -> None:
            try:
                (count,) = await self._engine.count_tokens([text])
            except Exception as error:
                answer.set_exception(error)
            else:
                answer.set_result(count)

        task = asyncio.ensure_future(ask())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def estimate(self, text: str) -> int:
        """From what texts had so far; rather too many than too few."""
        if not text:
            return 0
        known = self._known.get(text)
        if known is not None:
            return known
        bytes_per_token = self._bytes / self._tokens if self._tokens > 200 else _FIRST_BYTES_PER_TOKEN
        return int(len(text.encode("utf-8", "replace")) / bytes_per_token * _MARGIN) + 1

    def _remember(self, text: str, count: int) -> None:
        if self._characters > _REMEMBERED_CHARACTERS:
            self._known.clear()
            self._characters = 0
        self._known[text] = count
        self._characters += len(text)
        self._bytes += len(text.encode("utf-8", "replace"))
        self._tokens += count
