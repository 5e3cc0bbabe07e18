"""The engine as the server uses it: llama.cpp in a child process of its own.

A crash of native code costs a restart instead of the editor's session, decoding never holds the server's
interpreter lock, and a model can be unloaded completely.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mellum_lsp.domain import Marker, Part
from mellum_lsp.engine import messages
from mellum_lsp.engine.count_cache import CountCache
from mellum_lsp.engine.generation import LlamaGeneration
from mellum_lsp.engine.gguf import check_exists
from mellum_lsp.engine.interface import (
    EngineCrashed,
    EngineError,
    GenerateRequest,
    GenerationStats,
    ModelError,
    ModelInfo,
    Token,
)
from mellum_lsp.engine.process import EngineProcess
from mellum_lsp.engine.restarts import Restarts
from mellum_lsp.engine.settings import EngineSettings

log = logging.getLogger(__name__)

OnProgress = Callable[[float], None]


class LlamaEngine:
    """Implements `interface.Engine`. ``log_file`` gets what llama.cpp prints; None discards it."""

    def __init__(
        self, model: Path, settings: EngineSettings | None = None, log_file: Path | None = None
    ) -> None:
        self._model = model.absolute()
        self._settings = settings or EngineSettings()
        self._log_file = log_file
        self._info: ModelInfo | None = None
        self._process: EngineProcess | None = None
        self._starting: asyncio.Task[ModelInfo] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._restarts = Restarts()
        self._model_error: tuple[object, ModelError] | None = None
        self._ids = itertools.count(1)
        self._generations: dict[int, LlamaGeneration] = {}
        self._counting: dict[int, asyncio.Future[list[int]]] = {}
        self._counts = CountCache()
        self._listeners: list[OnProgress] = []

    @property
    def info(self) -> ModelInfo | None:
        return self._info

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self, on_progress: OnProgress | None = None) -> ModelInfo:
        if self._closed:
            raise _closed_error()
        if self._process and self._info:
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
        )
        self._generations[request_id] = generation
        if self._process:
            self._process.send(message)
        else:
            self._spawn(self._start_and_send(message))
        return generation

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        known = {text: self._counts.get(text) for text in texts}
        missing = [text for text, count in known.items() if count is None]
        if missing:
            await self.start()
            for text, count in zip(missing, await self._ask_counts(missing), strict=True):
                self._counts.put(text, count)
                known[text] = count
        return [known[text] or 0 for text in texts]

    async def close(self) -> None:
        self._closed = True
        for generation in self._generations.values():
            generation.finish(replace(generation.stats, stop="aborted"))
        self._generations.clear()
        if self._starting:
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, EngineError):
                await self._starting
        process, self._process = self._process, None
        if process:
            await process.end()
        counting, self._counting = self._counting, {}
        _fail_all(counting.values(), _closed_error())
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- starting

    async def _load(self) -> ModelInfo:
        check_exists(self._model)
        self._refuse_known_failures()
        process = await self._start_process()
        try:
            info = await self._wait_until_ready(process)
        except BaseException:
            await process.end()
            raise
        self._info, self._process = info, process
        self._spawn(self._read(process))
        return info

    def _loaded(self, task: asyncio.Task[ModelInfo]) -> None:
        self._starting = None
        if not task.cancelled():
            task.exception()  # seen, even where every caller has gone

    def _refuse_known_failures(self) -> None:
        """A file that cannot be served is not read again until it changes; a crashing engine gets pauses."""
        if self._model_error and self._model_error[0] == self._identity():
            raise type(self._model_error[1])(str(self._model_error[1]))
        wait = self._restarts.seconds_to_wait(time.monotonic())
        if wait > 0:
            where = f"; its log is {self._log_file}" if self._log_file else ""
            raise EngineCrashed(
                f"the engine's process keeps ending unexpectedly{where}\n"
                f"hint: it is started again at the first request in {wait:.0f} s; try another model or fewer "
                "gpuLayers"
            )

    def _identity(self) -> object:
        stat = self._model.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    async def _start_process(self) -> EngineProcess:
        try:
            return await EngineProcess.start(self._model, self._settings, self._log_file)
        except OSError as error:
            raise EngineError(
                f"the engine's process cannot be started: {error}\nhint: check memory and process limits"
            ) from error

    async def _wait_until_ready(self, process: EngineProcess) -> ModelInfo:
        while True:
            match await process.receive():
                case messages.Loading(fraction):
                    self._report(fraction)
                case messages.Ready(protocol, info) if protocol == messages.PROTOCOL:
                    return info
                case messages.LoadFailed(error, text):
                    failure = messages.to_exception(error, text)
                    if isinstance(failure, ModelError):
                        self._model_error = self._identity(), failure
                    raise failure
                case None:
                    self._restarts.crashed(time.monotonic())
                    raise EngineCrashed(
                        f"while loading {self._model}, {await process.explain_end()}\n"
                        "hint: the next request tries again; where that fails too, try another model"
                    )
                case other:
                    raise EngineError(f"the engine began with {other!r}\nhint: reinstall mellum-lsp")

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
            if generation := self._generations.pop(message.id, None):
                generation.fail(error)
            return
        if self._process and message.id in self._generations:  # not aborted meanwhile
            self._process.send(message)

    def _abort(self, request_id: int) -> None:
        if self._process:
            self._process.send(messages.Abort(request_id))
        elif generation := self._generations.pop(request_id, None):
            generation.finish(GenerationStats(stop="aborted"))

    async def _ask_counts(self, texts: list[str]) -> list[int]:
        if not self._process:
            raise _closed_error()
        request_id = next(self._ids)
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._counting[request_id] = answer
        self._process.send(messages.Count(request_id, [_sendable(text) for text in texts]))
        return await answer

    async def _read(self, process: EngineProcess) -> None:
        try:
            while message := await process.receive():
                self._dispatch(message)
        except Exception:
            log.exception("the engine's stream cannot be read; the engine is ended")
        if self._process is not process:
            return  # closed
        self._process = None
        self._restarts.crashed(time.monotonic())
        generations, self._generations = self._generations, {}
        counting, self._counting = self._counting, {}
        text = f"{await process.explain_end()}\nhint: the next request starts another engine"
        log.warning("%s", text)
        for generation in generations.values():
            generation.fail(EngineCrashed(text))
        _fail_all(counting.values(), EngineCrashed(text))

    def _dispatch(self, message: messages.FromEngine) -> None:
        match message:
            case messages.Generated(id, token, piece, probability):
                if generation := self._generations.get(id):
                    generation.add(Token(token, piece, probability))
            case messages.Finished(id, stats, prefill, decode):
                self._note_speeds(prefill, decode)
                if generation := self._generations.pop(id, None):
                    generation.finish(stats)
            case messages.Failed(id, error, text):
                failure = messages.to_exception(error, text)
                if generation := self._generations.pop(id, None):
                    generation.fail(failure)
                if answer := self._counting.pop(id, None):
                    _fail_all([answer], failure)
            case messages.Counted(id, counts):
                answer = self._counting.pop(id, None)
                if answer and not answer.done():
                    answer.set_result(counts)
            case _:
                log.warning("the engine sent %r out of turn", message)

    def _note_speeds(self, prefill: float, decode: float) -> None:
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


def _fail_all(answers: Iterable[asyncio.Future[list[int]]], error: EngineError) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)


def _closed_error() -> EngineError:
    return EngineError("the engine is closed\nhint: the server is shutting down; start it again")
