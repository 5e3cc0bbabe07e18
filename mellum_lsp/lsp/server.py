"""The language server: sessions over a transport, until they end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pygls.lsp.server import LanguageServer

from mellum_lsp import __version__
from mellum_lsp.feedback.preferences import Preference, PreferenceStore
from mellum_lsp.feedback.store import FeedbackStore
from mellum_lsp.lsp import logs
from mellum_lsp.lsp.backend import Build, build
from mellum_lsp.lsp.feedback import Record
from mellum_lsp.lsp.gate import ReadEvents
from mellum_lsp.lsp.methods.table import methods
from mellum_lsp.lsp.preferences import kept_in_background
from mellum_lsp.lsp.protocol import Protocol
from mellum_lsp.lsp.reading import make_converter
from mellum_lsp.lsp.recording import Recorder
from mellum_lsp.lsp.session import Session
from mellum_lsp.lsp.transports import Stdio, Tcp, Transport, WebSocket, serve

__all__ = ["Server", "Stdio", "Tcp", "Transport", "WebSocket", "create_server", "run"]

log = logging.getLogger(__name__)


class Server(LanguageServer):
    """One client's server: pygls to speak, our own `Protocol` to listen, a `Session` to remember."""

    protocol: Protocol

    def __init__(
        self,
        build: Build,
        model: str | None,
        record: Record,
        read_events: ReadEvents,
        lora: str | None,
        prefer: Callable[[Preference], None],
    ) -> None:
        super().__init__("mellum-lsp", __version__, protocol_cls=Protocol, converter_factory=make_converter)
        self.session = Session(self, build, model, record, read_events, lora, prefer)
        self.protocol.methods = methods(self.session)
        self.protocol.on_exit = self._exit
        self.ends_with_editor = False
        """Whether the process that the client names is one of this machine."""
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def receive(self, body: bytes | str) -> None:
        """Take in a message."""
        self.protocol.receive(body)

    async def finished(self) -> int:
        """The exit code, as soon as the client has said ``exit``."""
        return await asyncio.shield(self._exited)

    async def close(self) -> None:
        """Answer what is open and let go of everything."""
        self.protocol.end_requests()
        await self.session.close()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Errors are logged where they arise; pygls would show every one of them to the user."""

    def _exit(self, code: int) -> None:
        if not self._exited.done():
            self._exited.set_result(code)


def create_server(
    send: Callable[[bytes], None],
    *,
    build: Build = build,
    model: str | None = None,
    record: Record = lambda event: None,
    read_events: ReadEvents = list,
    lora: str | None = None,
    prefer: Callable[[Preference], None] = lambda preference: None,
) -> Server:
    """The server of one client, on the running loop.

    ``send`` takes the bodies of messages to the client, ``record`` what became of suggestions; neither may
    block, nor may ``prefer``, which takes what was written in place of suggestions where the settings allow
    it. ``read_events`` gives what was recorded so far and may block. ``model`` and ``lora`` outweigh
    the settings.
    """
    server = Server(build, model, record, read_events, lora, prefer)
    server.protocol.send = send
    return server


def run(
    transport: Transport, model: str | None = None, record: Path | None = None, lora: str | None = None
) -> int:
    """Serve until the session is over; the process's exit code.

    ``model`` is a name, a path to a ``.gguf`` or ``scripted:FILE``, ``lora`` the path of an adapter or
    ``none``. Every message is written to the file ``record``. Raises `OSError` where an address cannot be
    listened on or that file not be written.
    """
    recorder = Recorder(record, model) if record else None
    with logs.set_up(quiet=isinstance(transport, Stdio)):
        log.info("mellum-lsp %s serves %s", __version__, transport)
        if recorder:
            log.info("every message, source text included, is recorded in %s", record)
        with contextlib.suppress(KeyboardInterrupt):
            return asyncio.run(_serve(transport, model, lora, recorder))
        return 1


async def _serve(transport: Transport, model: str | None, lora: str | None, recorder: Recorder | None) -> int:
    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError, AttributeError):  # Windows
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under `nohup`
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = FeedbackStore()
    prefer = kept_in_background(PreferenceStore())

    def connect(send: Callable[[bytes], None]) -> Server:
        server = create_server(
            send, model=model, lora=lora, record=store.record, read_events=store.read, prefer=prefer
        )
        server.ends_with_editor = isinstance(transport, Stdio)
        return server

    try:
        return await serve(transport, recorder.recorded(connect) if recorder else connect, stop)
    finally:
        if recorder:
            recorder.close()
        await asyncio.to_thread(store.close)
