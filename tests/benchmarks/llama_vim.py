"""The peer of the latency benchmark: llama-server, driven as llama.vim drives it (as of its commit a1c8e6e).

What llama.vim does and this does too: a window of a fixed number of lines on both sides of the caret; up to
16 chunks of 32 lines from places visited before, the most similar ones evicted; a request at every key unless
one runs, then again 100 ms later (a running one is never withdrawn); answers kept under the text around the
caret and found again up to 128 characters back and with up to three lines scrolled away; behind every ghost
that is shown a speculative request; the same parameters of `/infill`.

What differs, and why: `/infill` puts prefix, suffix and middle in an order that Mellum's dialect does not
have, so the prompt is rendered here (context files, suffix, prefix, middle) and sent to `/completion`. The
window and the number of chunks are scaled down by one factor, so that prompts are about as long as ours. What
llama.vim does itself, in Vim's process and by starting `curl`, costs nothing here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from llama_server import llama_server
from llama_vim_cache import Cache
from llama_vim_ring import Ring
from llama_vim_text import CHUNK_LINES, Local, Sizes, local_at, rendered

from mellum_lsp.bench.assistant import Answer, Processes, Screen, Spent
from mellum_lsp.bench.document import Document, Edit

LONGEST_LINE_SUFFIX = 8
BUSY_SECONDS, RING_SECONDS, RESTING_SECONDS = 0.1, 1.0, 3.0
FIRST_MS, SPECULATIVE_MS, PROMPT_MS = 250, 1000, 500


class LlamaVim:
    """Implements `Assistant`. ``predict`` gives the tokens to generate; None means llama.vim's own limits."""

    def __init__(
        self, client: httpx2.AsyncClient, pid: int, sizes: Sizes, predict: Callable[[], int] | None = None
    ) -> None:
        self.screen = Screen()
        self.answers: list[Answer] = []
        self._client = client
        self._processes = Processes(pid)
        self._sizes = sizes
        self._predict = predict
        self._cache = Cache()
        self._ring = Ring(sizes)
        self._running: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._ring_timer: asyncio.Task[None] | None = None
        self._document: Document | None = None
        self._caret = 0
        self._moved_at = self._pressed = time.perf_counter()
        self._evaluated = self._generated = 0

    # ---- what the typist does

    def opened(self, document: Document) -> None:
        self._document, self._caret = document, 0
        self._ring.pick(document.path, document.text.split("\n")[:CHUNK_LINES])
        if self._ring_timer is None:
            self._ring_timer = asyncio.ensure_future(self._update_ring())

    def edited(self, document: Document, edit: Edit) -> None:
        self._pressed = time.perf_counter()
        self._move(document, edit.caret)
        self._fim()

    def moved(self, document: Document, caret: int) -> None:
        self._move(document, caret)

    def taken(self, document: Document, edit: Edit, whole: bool) -> None:
        self.edited(document, edit)

    def closed(self, document: Document) -> None:
        line = document.text.count("\n", 0, self._caret)
        lines = document.text.split("\n")
        self._ring.pick(document.path, lines[max(0, line - CHUNK_LINES) : line + CHUNK_LINES])
        self._document = None

    async def settle(self) -> None:
        if self._retry:
            self._retry.cancel()
        while self._running:
            await asyncio.wait([self._running])
            if self._retry:
                self._retry.cancel()

    def spent(self) -> Spent:
        return Spent(self._processes.seconds(), self._evaluated, self._generated)

    async def close(self) -> None:
        self._document = None
        await self.settle()
        if self._ring_timer:
            self._ring_timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._ring_timer

    # ---- the caret

    def _move(self, document: Document, caret: int) -> None:
        self._document, self._caret = document, caret
        self._moved_at = begun = time.perf_counter()
        if not self._try_hint():
            self.screen.show(None)
            return
        milliseconds = (time.perf_counter() - begun) * 1000
        ghost = self.screen.ghost
        assert ghost
        self.answers.append(
            Answer(
                milliseconds=milliseconds,
                key_milliseconds=milliseconds,
                source="cache",
                characters=len(ghost.text),
                right=self.screen.judge(ghost),
            )
        )

    def _try_hint(self) -> bool:
        """Show what is known for the caret, and ask for what would follow it."""
        assert self._document
        local = local_at(self._document.text, self._caret, self._sizes)
        content = self._cache.find(local)
        ghost = rendered(content, local) if content is not None else None
        if ghost is None:
            return False
        self.screen.show(ghost)
        text, caret = self._document.text, self._caret
        self._fim(text[:caret] + ghost.text + text[caret:], caret + len(ghost.text))
        return True

    # ---- requests

    def _fim(self, text: str | None = None, caret: int = 0) -> None:
        """Ask at the caret, or speculatively in ``text`` with a ghost taken."""
        if self._document is None:
            return
        if self._running:
            if self._retry:
                self._retry.cancel()
            self._retry = asyncio.get_running_loop().call_later(BUSY_SECONDS, self._fim, text, caret)
            return
        speculative = text is not None
        local = local_at(
            *((text, caret) if text is not None else (self._document.text, self._caret)), self._sizes
        )
        if len(local.line_suffix) > LONGEST_LINE_SUFFIX or local in self._cache:
            return
        path, lines = self._document.path, self._document.text.split("\n")
        row = self._document.text.count("\n", 0, self._caret)
        self._ring.evict(path, lines, row)
        self._running = asyncio.ensure_future(self._ask(local, speculative))
        if not speculative:
            self._ring.gather(path, lines, row)

    async def _ask(self, local: Local, speculative: bool) -> None:
        begun, pressed, caret = time.perf_counter(), self._pressed, self._caret
        said: dict[str, Any] = {}
        with suppress(httpx2.HTTPError):
            response = await self._client.post("/completion", json=self._request(local, speculative))
            said = response.json()
        ended = time.perf_counter()
        self._running = None
        timings = said.get("timings", {})
        self._evaluated += timings.get("prompt_n", 0)
        self._generated += timings.get("predicted_n", 0)
        if said:
            self._cache.keep(local, said.get("content", ""))
        had_one = self.screen.ghost is not None
        shown = not had_one and self._document is not None and self._try_hint()
        if speculative:
            return
        ghost = self.screen.ghost if shown else None
        self.answers.append(
            Answer(
                milliseconds=(ended - begun) * 1000,
                key_milliseconds=(ended - pressed) * 1000,
                source="full",
                reason="" if ghost else "empty",
                superseded=ghost is None and caret != self._caret,
                characters=len(ghost.text) if ghost else 0,
                right=bool(ghost and self.screen.judge(ghost)),
                prompt=timings.get("prompt_n", 0) + timings.get("cache_n", 0),
                evaluated=timings.get("prompt_n", 0),
                generated=timings.get("predicted_n", 0),
            )
        )

    def _request(self, local: Local, speculative: bool) -> dict[str, Any]:
        indent = len(local.middle) - len(local.middle.lstrip())
        request = {
            "id_slot": 0,
            "prompt": self._prompt(local),
            "n_predict": 128,
            "stop": [],
            "n_indent": indent,
            "top_k": 40,
            "top_p": 0.90,
            "samplers": ["top_k", "top_p", "infill"],
            "seed": 1,
            "stream": False,
            "cache_prompt": True,
            "t_max_prompt_ms": PROMPT_MS,
            "t_max_predict_ms": SPECULATIVE_MS if speculative else FIRST_MS,
            "response_fields": ["content", "timings"],
        }
        if self._predict:
            request |= {"n_predict": self._predict(), "ignore_eos": True}
        return request

    def _prompt(self, local: Local) -> str:
        assert self._document
        return (
            f"{self._ring.text}<filename>{self._document.path}\n<fim_suffix>{local.suffix}"
            f"<fim_prefix>{local.prefix}{local.middle}<fim_middle>"
        )

    # ---- the ring of chunks

    async def _update_ring(self) -> None:
        """Every second, once the caret rests, a queued chunk joins and the server evaluates the new ring."""
        while True:
            await asyncio.sleep(RING_SECONDS)
            rests = time.perf_counter() - self._moved_at >= RESTING_SECONDS
            if not rests or self._document is None or not self._ring.turn():
                continue
            request = {"id_slot": 0, "prompt": self._prompt(Local("", "", "", "")), "n_predict": 0}
            with suppress(httpx2.HTTPError):
                said = (await self._client.post("/completion", json={**request, "cache_prompt": True})).json()
                self._evaluated += said.get("timings", {}).get("prompt_n", 0)


@asynccontextmanager
async def llama_vim(
    program: Path,
    model: Path,
    threads: int,
    sizes: Sizes,
    log: Path,
    predict: Callable[[], int] | None = None,
) -> AsyncIterator[LlamaVim]:
    """llama.vim beside a server of its own with the model loaded."""
    async with llama_server(program, model, threads, log) as (client, pid):
        peer = LlamaVim(client, pid, sizes, predict)
        yield peer
        await peer.close()
