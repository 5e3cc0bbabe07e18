"""The engine's side of a connection: one thread reads and answers what is quick, the main thread decodes."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import msgspec

from mellum_lsp.engine import messages
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.interface import EngineError, GenerationStats
from mellum_lsp.engine.loading import load
from mellum_lsp.engine.scheduler import Job, Scheduler
from mellum_lsp.engine.settings import EngineSettings


def decode_settings(text: str) -> EngineSettings:
    return msgspec.json.decode(text, type=EngineSettings)


class Connection:
    """One server at the other end. `send` may be called from any thread."""

    def __init__(self, source: BinaryIO, sink: BinaryIO):
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()

    def send(self, message: messages.FromEngine) -> None:
        """Write the message; that the server has gone is noticed by the reader."""
        rest = memoryview(messages.frame(message))
        with self._lock, contextlib.suppress(BrokenPipeError):
            while rest:
                rest = rest[self._sink.write(rest) :]

    def receive(self) -> messages.ToEngine | None:
        """The next message, None at the end of the stream, also where it ends inside a frame."""
        prefix = self._source.read(messages.LENGTH.size)
        if len(prefix) < messages.LENGTH.size:
            return None
        length = messages.body_length(prefix)
        body = self._source.read(length)
        return messages.decode_to_engine(body) if len(body) == length else None


class Service:
    """Serves one model to one connection.

    The reader queues generations, sets the abort flag, and counts tokens even while the other thread
    decodes: reading a vocabulary is thread-safe, and native code runs without the interpreter's lock.
    """

    def __init__(self, connection: Connection):
        self._connection = connection
        self._abort = AbortFlag()
        self._scheduler = Scheduler(self._abort)
        self._count: Callable[[str], int] | None = None

    def read(self) -> None:
        """Serve the connection's messages until it ends, then end the process at once."""
        try:
            while message := self._connection.receive():
                self._dispatch(message)
        except Exception:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(0)  # the main thread may be deep in native code

    def _dispatch(self, message: messages.ToEngine) -> None:
        send = self._connection.send
        match message:
            case messages.Generate():
                self._scheduler.submit(Job(message, send, time.monotonic()))
            case messages.Abort(id):
                if job := self._scheduler.abort(id, send):
                    never_started = GenerationStats(stop="aborted", queued_ms=_ms_since(job.arrived))
                    send(messages.Finished(id, never_started, 0.0, 0.0))
            case messages.Count(id, texts):
                if self._count is None:
                    hint = "the model is still loading\nhint: wait until it is ready"
                    send(messages.Failed(id, "EngineError", hint))
                else:
                    send(messages.Counted(id, [self._count(text) for text in texts]))

    def load_and_serve(self, path: Path, settings: EngineSettings) -> None:
        """Load the model and serve jobs for ever; returns only where it cannot be loaded, having said why."""
        send = self._connection.send
        reported = -1.0

        def report(fraction: float) -> None:
            nonlocal reported
            if fraction - reported >= 0.01:
                reported = fraction
                send(messages.Loading(fraction))

        try:
            decoder, info = load(path, settings, self._abort, report)
        except EngineError as error:
            send(messages.LoadFailed(type(error).__name__, str(error)))
            return
        self._count = decoder.vocabulary.count
        send(messages.Ready(messages.PROTOCOL, info))
        while True:
            job = self._scheduler.take()
            job.queued_ms = _ms_since(job.arrived)
            job.send(messages.Started(job.request.id))
            try:
                stats = decoder.run(job.request, job.emit, job.prefilled)
            except EngineError as error:
                job.send(messages.Failed(job.request.id, type(error).__name__, str(error)))
            except Exception as error:
                traceback.print_exc()
                decoder.slots.forget_all()
                text = f"unexpected {error!r} in the engine\nhint: see its log, and report this as a bug"
                job.send(messages.Failed(job.request.id, "EngineError", text))
            else:
                stats = replace(stats, queued_ms=job.queued_ms)
                speeds = decoder.speeds
                job.send(messages.Finished(job.request.id, stats, speeds.prefill, speeds.decode))


def _ms_since(monotonic_seconds: float) -> float:
    return (time.monotonic() - monotonic_seconds) * 1e3
