"""The engine at work: each server has a thread that reads and answers what is quick, the main thread
decodes."""

from __future__ import annotations

import hmac
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from mellum_lsp.engine import messages
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.connection import Connection
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.interface import EngineError, GenerationStats
from mellum_lsp.engine.loading import load
from mellum_lsp.engine.scheduler import Job, Scheduler
from mellum_lsp.engine.servers import Servers
from mellum_lsp.engine.settings import EngineSettings

_PAUSE_SECONDS = 2.0
"""After so long without a request, what was evaluated last is written to disk."""


class Service:
    """Serves one model to any number of servers, each of which must say ``secret`` first.

    The readers queue generations, set the abort flag, and count tokens even while the main thread decodes:
    reading a vocabulary is thread-safe, and native code runs without the interpreter's lock.
    """

    def __init__(self, secret: str = "") -> None:
        self._secret = secret
        self._abort = AbortFlag()
        self._scheduler = Scheduler(self._abort)
        self._servers = Servers()
        self._gone: deque[int] = deque()
        self._count: Callable[[str], int] | None = None

    def attend(self, connection: Connection) -> None:
        """Serve one server until it goes, in its reader's thread.

        Whatever it sends harms no other: it is dropped for what is no message, and its work ends with it.
        """
        try:
            hello = connection.receive()
            if not isinstance(hello, messages.Hello) or not self._is_welcome(hello):
                return
            number = self._servers.join(connection, hello.lifetime)
            if number is None:
                return
            try:
                self._scheduler.wake()
                while message := connection.receive():
                    self._servers.worked()
                    self._dispatch(message, number, connection)
            finally:
                self._servers.leave(number)
                self._scheduler.forget(number)
                self._gone.append(number)
                self._scheduler.wake()
        except OSError:
            pass  # it went in a hurry
        except Exception as error:
            print(f"a server was dropped: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            connection.drop()

    def load(self, path: Path, settings: EngineSettings, cache: Path | None = None) -> Decoder | None:
        """Load the model and tell all servers how that goes; None where it cannot be loaded.

        ``cache`` is the folder for what the next engine need not find out again.
        """
        reported = -1.0

        def report(fraction: float) -> None:
            nonlocal reported
            if fraction - reported >= 0.01:
                reported = fraction
                self._servers.tell(messages.Loading(fraction))

        try:
            decoder, info = load(path, settings, self._abort, report, cache)
        except EngineError as error:
            self._servers.tell(messages.LoadFailed(type(error).__name__, str(error)))
            self._servers.end_with_bad_news()
            return None
        self._count = decoder.vocabulary.count
        self._servers.worked()
        self._servers.tell(messages.Ready(info))
        return decoder

    def serve(self, decoder: Decoder, after_job: Callable[[], None] = lambda: None) -> None:
        """Serve jobs until nobody has wanted anything for long enough."""
        while True:
            left = self._servers.seconds_left()
            pause = min(left, _PAUSE_SECONDS) if decoder.slots.has_unwritten() else left
            job = self._scheduler.take(pause)
            while self._gone:
                decoder.slots.retire(_documents_of(self._gone.popleft()))
            if job:
                self._run(job, decoder)
                self._servers.worked()
                after_job()
            elif pause < left:
                decoder.slots.write_one(hurried=True)
            elif self._servers.end_if_idle():
                return

    def say_goodbye(self) -> None:
        """Let the servers go, everything having been told."""
        self._servers.say_goodbye()

    def _is_welcome(self, hello: messages.Hello) -> bool:
        return hello.protocol == messages.PROTOCOL and hmac.compare_digest(hello.secret, self._secret)

    def _dispatch(self, message: messages.ToEngine, server: int, connection: Connection) -> None:
        match message:
            case messages.Generate():
                # Two servers may have documents of one name.
                own = msgspec.structs.replace(message, document=_documents_of(server) + message.document)
                self._scheduler.submit(Job(own, server, connection.send, time.monotonic()))
            case messages.Abort(id):
                if job := self._scheduler.abort(server, id):
                    never_started = GenerationStats(stop="aborted", queued_ms=_ms_since(job.arrived))
                    connection.send(messages.Finished(id, never_started, 0.0, 0.0))
            case messages.Count(id, texts):
                if self._count is None:
                    hint = "the model is still loading\nhint: wait until it is ready"
                    connection.send(messages.Failed(id, "EngineError", hint))
                else:
                    connection.send(messages.Counted(id, [self._count(text) for text in texts]))

    def _run(self, job: Job, decoder: Decoder) -> None:
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


def _documents_of(server: int) -> str:
    """What the names of a server's documents begin with in the slots."""
    return f"{server}:"


def _ms_since(monotonic_seconds: float) -> float:
    return (time.monotonic() - monotonic_seconds) * 1e3
