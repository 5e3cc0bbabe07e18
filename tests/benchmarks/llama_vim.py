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
import os
import random
import re
import socket
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from mellum_lsp.bench.assistant import Answer, Processes, Screen, Spent
from mellum_lsp.bench.document import Document, Edit, Ghost

N_PREFIX, N_SUFFIX, RING_CHUNKS, CHUNK_LINES = 256, 64, 16, 32
LOOK_BACK, CACHE_KEYS, LONGEST_LINE_SUFFIX = 128, 250, 8
BUSY_SECONDS, RING_SECONDS, RESTING_SECONDS = 0.1, 1.0, 3.0
PICK_LINES = 32
FIRST_MS, SPECULATIVE_MS, PROMPT_MS = 250, 1000, 500
CHARACTERS_PER_TOKEN = 3.3
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Sizes:
    """Lines of the window and chunks of the ring."""

    prefix: int
    suffix: int
    chunks: int

    @classmethod
    def for_tokens(cls, tokens: int, text: str) -> Sizes:
        """llama.vim's own, scaled so that a prompt in ``text`` has about ``tokens``; never larger."""
        of_a_line = max(1.0, len(text) / CHARACTERS_PER_TOKEN / (text.count("\n") + 1))
        all_lines = N_PREFIX + N_SUFFIX + RING_CHUNKS * CHUNK_LINES
        factor = min(1.0, tokens / (all_lines * of_a_line))
        return cls(
            max(8, round(N_PREFIX * factor)), max(2, round(N_SUFFIX * factor)), round(RING_CHUNKS * factor)
        )


@dataclass(frozen=True)
class Local:
    """The text around a caret as llama.vim sees it."""

    prefix: str
    middle: str
    suffix: str
    line_suffix: str

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Under which an answer is kept: with none to three of the first lines scrolled away."""
        keys, prefix = [(self.prefix + self.middle, self.suffix)], self.prefix
        for _ in range(3):
            _, newline, prefix = prefix.partition("\n")
            if not newline or not prefix:
                break
            keys.append((prefix + self.middle, self.suffix))
        return keys


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
        self._cache: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._ring: list[tuple[str, list[str]]] = []
        self._queued: list[tuple[str, list[str]]] = []
        self._running: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._ring_timer: asyncio.Task[None] | None = None
        self._document: Document | None = None
        self._caret = 0
        self._moved_at = self._pressed = time.perf_counter()
        self._picked_line = -9999
        self._random = random.Random(1)
        self._evaluated = self._generated = 0

    # ---- what the typist does

    def opened(self, document: Document) -> None:
        self._document, self._caret = document, 0
        self._pick(document, document.text.split("\n")[:CHUNK_LINES])
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
        self._pick(document, lines[max(0, line - CHUNK_LINES) : line + CHUNK_LINES])
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
        local = self._local(self._document.text, self._caret)
        content = self._known(local)
        ghost = _rendered(content, local) if content is not None else None
        if ghost is None:
            return False
        self.screen.show(ghost)
        text, caret = self._document.text, self._caret
        self._fim(text[:caret] + ghost.text + text[caret:], caret + len(ghost.text))
        return True

    def _known(self, local: Local) -> str | None:
        exact = self._find((local.prefix + local.middle, local.suffix))
        if exact is not None:
            return exact
        before, best = local.prefix + local.middle, None
        for back in range(1, min(LOOK_BACK, len(before)) + 1):
            kept = self._find((before[:-back], local.suffix))
            if kept and kept.startswith(before[-back:]) and len(kept) - back > len(best or ""):
                best = kept[back:]
        return best

    def _find(self, key: tuple[str, str]) -> str | None:
        if key not in self._cache:
            return None
        self._cache.move_to_end(key)
        return self._cache[key]

    def _local(self, text: str, caret: int) -> Local:
        lines = text.split("\n")
        row = text.count("\n", 0, caret)
        column = caret - (text.rfind("\n", 0, caret) + 1)
        line = lines[row]
        middle, line_suffix = line[:column], line[column:]
        if not line.strip():
            middle = line_suffix = ""
        prefix = "\n".join(lines[max(0, row - self._sizes.prefix) : row]) + "\n"
        below = "\n".join(lines[row + 1 : row + 1 + self._sizes.suffix])
        return Local(prefix, middle, f"{line_suffix}\n{below}\n", line_suffix)

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
        local = (
            self._local(text, caret) if text is not None else self._local(self._document.text, self._caret)
        )
        if len(local.line_suffix) > LONGEST_LINE_SUFFIX or any(key in self._cache for key in local.keys):
            return
        self._evict(self._document.text.split("\n"))
        self._running = asyncio.ensure_future(self._ask(local, speculative))
        if not speculative:
            self._gather(self._document)

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
        content = said.get("content", "")
        for key in local.keys if said else ():
            self._cache[key] = content
            self._cache.move_to_end(key)
            while len(self._cache) > CACHE_KEYS:
                self._cache.popitem(last=False)
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
        context = "".join(f"<filename>{path}\n" + "\n".join(lines) + "\n" for path, lines in self._ring)
        return (
            f"{context}<filename>{self._document.path}\n<fim_suffix>{local.suffix}"
            f"<fim_prefix>{local.prefix}{local.middle}<fim_middle>"
        )

    # ---- the ring of chunks

    async def _update_ring(self) -> None:
        """Every second, once the caret rests, a queued chunk joins and the server evaluates the new ring."""
        while True:
            await asyncio.sleep(RING_SECONDS)
            rests = time.perf_counter() - self._moved_at >= RESTING_SECONDS
            if not rests or not self._queued or self._document is None or not self._sizes.chunks:
                continue
            self._ring = [*self._ring, self._queued.pop(0)][-self._sizes.chunks :]
            request = {"id_slot": 0, "prompt": self._prompt(Local("", "", "", "")), "n_predict": 0}
            with suppress(httpx2.HTTPError):
                said = (await self._client.post("/completion", json={**request, "cache_prompt": True})).json()
                self._evaluated += said.get("timings", {}).get("prompt_n", 0)

    def _gather(self, document: Document) -> None:
        """After a long way, chunks from before and behind the window are queued."""
        row, lines = document.text.count("\n", 0, self._caret), document.text.split("\n")
        if abs(row - self._picked_line) <= PICK_LINES:
            return
        self._picked_line = row
        self._pick(document, lines[max(0, row - 1024) : max(0, row - self._sizes.prefix)])
        behind = row + self._sizes.suffix
        self._pick(document, lines[behind : behind + 2 * CHUNK_LINES])

    def _pick(self, document: Document, lines: Sequence[str]) -> None:
        """Queue a random piece of the lines, unless much the same is there."""
        if len(lines) < 3 or not self._sizes.chunks:
            return
        start = self._random.randint(0, max(0, len(lines) - CHUNK_LINES))
        chunk = list(lines[start : start + CHUNK_LINES])
        if any(_similarity(chunk, known) > 0.9 for _, known in (*self._ring, *self._queued)):
            return
        self._queued = [*self._queued, (document.path, chunk)][-16:]

    def _evict(self, lines: list[str]) -> None:
        """What is much like the caret's surroundings leaves the ring."""
        assert self._document
        row = self._document.text.count("\n", 0, self._caret)
        around = lines[max(0, row - CHUNK_LINES) : row + CHUNK_LINES]
        start = self._random.randint(0, max(0, len(around) - CHUNK_LINES))
        chunk = around[start : start + CHUNK_LINES]
        self._ring = [one for one in self._ring if _similarity(chunk, one[1]) <= 0.5]


def _similarity(one: Sequence[str], other: Sequence[str]) -> float:
    first, second = (re.split(r"\W+", "\n".join(lines)) for lines in (one, other))
    common = sum(word in set(first) for word in second)
    return 2 * common / (len(first) + len(second)) if first or second else 1.0


def _rendered(content: str, local: Local) -> Ghost | None:
    """What is shown of a content, after the rules of llama.vim; None where that is nothing."""
    lines = content.split("\n")
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return None
    following = local.suffix.split("\n")[1:]
    if not lines[0] and lines[1:] == following[: len(lines) - 1]:
        return None
    if len(lines) == 1 and lines[0] == local.line_suffix:
        return None
    below = [line for line in following if line.strip()] or [""]
    if local.middle + lines[0] == below[0] and (len(lines) == 1 or lines[1:] == following[1 : len(lines)]):
        return None
    text = "\n".join(lines)
    return Ghost(text) if text.strip() else None


@asynccontextmanager
async def llama_vim(
    program: Path,
    model: Path,
    threads: int,
    sizes: Sizes,
    log: Path,
    predict: Callable[[], int] | None = None,
) -> AsyncIterator[LlamaVim]:
    """A server of its own with the model loaded, with the options that llama.vim's documentation gives.

    How long idle threads spin (``GOMP_SPINCOUNT``) may be tried out for ours; the peer keeps its own way.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "-t",
        threads,
        "-c",
        8192,
        "-np",
        1,
        "-b",
        1024,
        "-ub",
        1024,
        "--cache-reuse",
        256,
        "--offline",
    ]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(program),
            *("--model", str(model), "--host", "127.0.0.1", "--port", str(port), *map(str, options)),
            stdout=output,
            stderr=output,
            env={name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"},
        )
        try:
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60.0) as client:
                await _healthy(client, log)
                peer = LlamaVim(client, process.pid, sizes, predict)
                yield peer
                await peer.close()
        finally:
            process.terminate()
            await process.wait()


async def _healthy(client: httpx2.AsyncClient, log: Path) -> None:
    """Until the model is loaded and has answered once. Raises `SystemExit`."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx2.HTTPError):
            if (await client.get("/health")).status_code == 200:
                await client.post("/completion", json={"prompt": "x = ", "n_predict": 4})
                return
        await asyncio.sleep(0.1)
    raise SystemExit(f"error: llama-server did not start\nhint: its log is {log}")
