"""The engine as the server uses it: llama.cpp in another process, shared with other servers or our own.

A crash of native code costs a restart instead of the editor's session, decoding never holds the server's
interpreter lock, a model can be unloaded completely, and many servers need no more memory than one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path

from mellum_lsp.domain import Marker, Part
from mellum_lsp.engine import messages
from mellum_lsp.engine.count_cache import CountCache
from mellum_lsp.engine.engine_log import EngineLog
from mellum_lsp.engine.generation import LlamaGeneration
from mellum_lsp.engine.gguf import check_exists
from mellum_lsp.engine.interface import (
    EngineCrashed,
    EngineError,
    GenerateRequest,
    ModelError,
    ModelInfo,
    ModelTooLarge,
    RequestInvalid,
)
from mellum_lsp.engine.link import Link
from mellum_lsp.engine.pending import Pending
from mellum_lsp.engine.process import start_own
from mellum_lsp.engine.restarts import Restarts
from mellum_lsp.engine.settings import EngineSettings, Lifetime
from mellum_lsp.engine.watchdog import Watchdog

log = logging.getLogger(__name__)

_MEMORY_PAUSE_SECONDS = 20.0
"""After a model did not fit into memory; each attempt costs a process."""

OnProgress = Callable[[float], None]
Launch = Callable[[Path, EngineSettings, messages.Hello, EngineLog], Awaitable[Link]]
"""Finds an engine that serves a model, or starts one: `process.start_own`, `shared.join_or_start` …

Raises `OSError` where none can be started, `EngineCrashed` with a sentence where it ended too soon.
"""


class LlamaEngine:
    """Implements `interface.Engine`. ``log_file`` gets what llama.cpp prints; None discards it.

    ``name`` is what the user calls the model, by default what the file calls itself. ``launch`` decides whose
    engine it is, ``lifetime`` how long it may outlive its use.
    """

    def __init__(
        self,
        model: Path,
        settings: EngineSettings | None = None,
        log_file: Path | None = None,
        name: str = "",
        launch: Launch = start_own,
        lifetime: Lifetime | None = None,
        on_process: Callable[[], None] = lambda: None,
    ) -> None:
        self._model = model.absolute()
        self._on_process = on_process
        self._name = name
        self._settings = settings or EngineSettings()
        self._log_file = log_file
        self._launch = launch
        self._hello = messages.Hello(messages.PROTOCOL, "", lifetime or Lifetime())
        self._info: ModelInfo | None = None
        self._link: Link | None = None
        self._starting: asyncio.Task[ModelInfo] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._restarts = Restarts()
        self._model_error: tuple[object, ModelError, float] | None = None
        self._ids = itertools.count(1)
        self._pending = Pending()
        self._watchdog = Watchdog()
        self._counts = CountCache()
        self._listeners: list[OnProgress] = []

    @property
    def info(self) -> ModelInfo | None:
        return self._info

    @property
    def pid(self) -> int | None:
        return self._link.pid if self._link else None

    async def start(self, on_progress: OnProgress | None = None) -> ModelInfo:
        if self._closed:
            raise _closed_error()
        if self._link and self._info:
            return self._info
        if self._starting is None:
            self._starting = asyncio.create_task(self._load(), name="engine load")
            self._starting.add_done_callback(self._loaded)
        starting = self._starting
        if on_progress:
            self._listeners.append(on_progress)
        try:
            # Shielded: a caller that is cancelled must not take the start away from the others.
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            if starting.cancelled():
                raise _closed_error() from None
            raise
        finally:
            if on_progress:
                self._listeners.remove(on_progress)

    def generate(self, request: GenerateRequest) -> LlamaGeneration:
        request_id = next(self._ids)
        generation = LlamaGeneration(lambda: self._abort(request_id))
        message = messages.Generate(
            id=request_id,
            parts=_segments(request.parts),
            max_tokens=request.max_tokens,
            stop_markers=list(request.stop_markers),
            document=request.document,
            priority=int(request.priority),
            min_joint_probability=request.min_joint_probability,
            first_token_rank=request.first_token_rank,
            must_begin_with=_sendable(request.must_begin_with),
            caret_part=next((n for n, part in enumerate(request.parts) if part.kind == "prefix"), -1),
        )
        self._pending.add_generation(message, generation)
        if self._link:
            self._send(self._link, message)
        else:
            self._spawn(self._start_and_send(message))
        return generation

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        known = {text: self._counts.get(text) for text in texts}
        missing = [text for text, count in known.items() if count is None]
        if missing:
            for text, count in zip(missing, await self._ask_counts(missing), strict=True):
                self._counts.put(text, count)
                known[text] = count
        return [known[text] or 0 for text in texts]

    async def close(self) -> None:
        self._closed = True
        self._pending.end_all_as_aborted()
        if self._starting:
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, EngineError):
                await self._starting
        link = self._link
        self._use(None)
        if link:
            await link.end()
        self._pending.fail_counts(_closed_error())
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- starting

    async def _load(self) -> ModelInfo:
        for path in self._files():
            check_exists(path)
        self._refuse_known_failures()
        try:
            link = await self._connect()
            self._watchdog.watch(link, lambda: True)
            try:
                info = await self._wait_until_ready(link)
            except BaseException:
                await link.end()
                raise
            finally:
                self._watchdog.stop()
        except EngineCrashed as error:
            self._restarts.crashed(time.monotonic())
            raise EngineCrashed(
                f"while loading {self._model}, {error}\n"
                "hint: the next request tries again; where that fails too, try another model"
            ) from error
        if self._name:
            info = replace(info, name=self._name)
        self._info = info
        self._use(link)
        self._spawn(self._read(link))
        return info

    def _use(self, link: Link | None) -> None:
        """Speak to another engine from now on, or to none."""
        changed, self._link = link is not self._link, link
        if changed:
            self._watchdog.stop()
            self._on_process()

    def _loaded(self, task: asyncio.Task[ModelInfo]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # seen, even where every caller has gone

    def _refuse_known_failures(self) -> None:
        """Files that cannot be served are not read again until they change, or memory may have come free; a
        crashing engine gets pauses."""
        if self._model_error:
            identity, error, until = self._model_error
            if identity == self._identity() and time.monotonic() < until:
                raise type(error)(str(error))
        wait = self._restarts.seconds_to_wait(time.monotonic())
        if wait > 0:
            where = f"; its log is {self._log_file}" if self._log_file else ""
            raise EngineCrashed(
                f"the engine's process keeps ending unexpectedly{where}\n"
                f"hint: it is started again at the first request in {wait:.0f} s; try another model or fewer "
                "gpuLayers"
            )

    def _identity(self) -> object:
        stats = [path.stat() for path in self._files()]
        return [(stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats]

    def _files(self) -> list[Path]:
        """What is loaded: the model, and its adapter."""
        return [self._model, *([Path(self._settings.lora)] if self._settings.lora else [])]

    async def _connect(self) -> Link:
        try:
            return await self._launch(self._model, self._settings, self._hello, EngineLog(self._log_file))
        except OSError as error:
            raise EngineError(
                f"the engine's process cannot be started: {error}\nhint: check memory and process limits"
            ) from error

    async def _wait_until_ready(self, link: Link) -> ModelInfo:
        while True:
            match await link.receive():
                case messages.Loading(fraction):
                    self._report(fraction)
                case messages.Ready(info):
                    return info
                case messages.LoadFailed(error, text):
                    failure = messages.to_exception(error, text)
                    if isinstance(failure, ModelError):
                        pause = _MEMORY_PAUSE_SECONDS if isinstance(failure, ModelTooLarge) else math.inf
                        self._model_error = self._identity(), failure, time.monotonic() + pause
                    raise failure
                case messages.Counted() | messages.Failed():
                    pass  # a sign of life
                case None:
                    raise EngineCrashed(await link.explain_end())
                case other:
                    raise EngineError(f"the engine said {other!r} too soon\nhint: reinstall mellum-lsp")

    def _report(self, fraction: float) -> None:
        for listener in self._listeners:
            try:
                listener(fraction)
            except Exception:
                log.exception("a listener to the loading progress failed")

    # ---- talking

    async def _start_and_send(self, message: messages.Generate) -> None:
        try:
            await self.start()
        except EngineError as error:
            self._pending.fail(message.id, error)
            return
        if self._link and self._pending.wants(message.id):
            self._send(self._link, message)

    def _send(self, link: Link, message: messages.Generate | messages.Count) -> None:
        self._watchdog.watch(link, lambda: link is self._link and bool(self._pending))
        try:
            link.send(message)
        except RequestInvalid as error:
            self._pending.fail(message.id, error)

    def _abort(self, request_id: int) -> None:
        if self._link:
            self._pending.abort(request_id)
            self._link.send(messages.Abort(request_id))
        else:
            self._pending.end_as_aborted(request_id)

    async def _ask_counts(self, texts: list[str]) -> list[int]:
        """Ask the engine, and once more where it crashes meanwhile: counting is hardly ever the cause."""
        for last_attempt in (False, True):
            await self.start()
            if self._link is None:
                continue
            request_id = next(self._ids)
            answer = self._pending.add_count(request_id)
            self._send(self._link, messages.Count(request_id, [_sendable(text) for text in texts]))
            try:
                return await answer
            except EngineCrashed:
                if last_attempt:
                    raise
        raise EngineCrashed("the engine's process ended unexpectedly\nhint: the next request starts another")

    async def _read(self, link: Link) -> None:
        in_order = False
        try:
            while message := await link.receive():
                if isinstance(message, messages.Ending):
                    in_order = True
                elif isinstance(message, messages.Finished):
                    self._restarts.served()
                    self._note_speeds(message)
                self._pending.settle(message)
        except Exception:
            log.exception("the engine's stream cannot be read; the engine is ended")
        if self._link is link:
            await (self._note_end(link) if in_order else self._note_crash(link))

    async def _note_end(self, link: Link) -> None:
        """The engine ended because nobody asked for anything; what was asked at that very moment is asked of
        the next one."""
        self._use(None)
        await link.end()
        self._ask_again(EngineCrashed("the engine has ended\nhint: the next request starts another"))

    async def _note_crash(self, link: Link) -> None:
        text = f"{await link.explain_end()}\nhint: the next request starts another engine"
        if self._link is not link:
            return  # closed by ourselves
        log.warning("%s", text)
        self._use(None)
        self._restarts.crashed(time.monotonic())
        self._ask_again(EngineCrashed(text))

    def _ask_again(self, error: EngineCrashed) -> None:
        for unstarted in self._pending.crashed(error):
            self._spawn(self._start_and_send(unstarted))

    def _note_speeds(self, message: messages.Finished) -> None:
        prefill, decode = message.prefill_tokens_per_second, message.decode_tokens_per_second
        if self._info and prefill and decode:
            self._info = replace(
                self._info, prefill_tokens_per_second=prefill, decode_tokens_per_second=decode
            )

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _segments(parts: Sequence[Part]) -> list[list[Marker | str]]:
    return [[s if isinstance(s, Marker) else _sendable(s) for s in part.segments] for part in parts]


def _sendable(text: str) -> str:
    """``text`` without lone surrogates, which a client may send and no encoding can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _closed_error() -> EngineError:
    return EngineError("the engine is closed\nhint: the server is shutting down; start it again")
