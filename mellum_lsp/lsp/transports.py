"""How messages travel: standard input and output, TCP, or WebSocket.

Reading and writing standard streams blocks, so each has a thread of its own. (An executor's threads would not
do: one that waits for input keeps the interpreter from ending.) The event loop never waits for a client that
reads slowly or not at all.

Over stdio the session is the process. A listening server serves any number of clients, each with a session of
its own: it outlives lost connections, and ends when the last client says ``exit``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from mellum_lsp.lsp.framing import MAX_BODY_BYTES, Framing, StreamError, frame

log = logging.getLogger(__name__)

READ_BYTES = 64 * 1024
CLOSE_PATIENCE_SECONDS = 2.0
GRACE_SECONDS = 0.05
"""What a client wrote right behind its ``exit`` is still on its way: it is read and refused, not lost."""
MAX_UNSENT_BYTES = 256 * 1024 * 1024
MAX_UNSENT_MESSAGES = 100_000
"""A client that leaves this much unread is taken for dead."""

_OWN_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?|vscode-(file|webview)://.*")
"""Web pages that may connect: without this any page in the user's browser could read the user's code."""


@dataclass(frozen=True, slots=True)
class Stdio:
    """One client on standard input and output."""


@dataclass(frozen=True, slots=True)
class Tcp:
    """Clients that connect to a TCP port (0: any free one; the log on standard error says which)."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class WebSocket:
    """Clients that connect by WebSocket, one text frame a message."""

    host: str
    port: int


Transport = Stdio | Tcp | WebSocket


class Connection(Interface):
    """One client's session, as a transport sees it."""

    def receive(self, body: bytes | str) -> None:
        """Take in a message."""

    async def finished(self) -> int:
        """Wait for ``exit`` and return the exit code."""

    async def close(self) -> None:
        """Answer what is open and let go of everything."""


Connect = Callable[[Callable[[bytes], None]], Connection]
"""Makes the session of a new client from the function that sends to it, which never blocks."""


async def serve(transport: Transport, connect: Connect, stop: asyncio.Event) -> int:
    """Serve until the session is over or ``stop`` is set; the process's exit code."""
    if isinstance(transport, Stdio):
        return await _serve_stdio(connect, stop)
    listener = _Listener(connect, stop)
    if isinstance(transport, Tcp):
        return await listener.serve_tcp(transport.host, transport.port)
    return await listener.serve_websocket(transport.host, transport.port)


async def _serve_stdio(connect: Connect, stop: asyncio.Event) -> int:
    loop = asyncio.get_running_loop()
    lost = asyncio.Event()

    def lose() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lost.set)

    writer = _ThreadedWriter(_claim_stdout(), on_lost=lose)
    connection = connect(writer.write)
    framing = Framing()

    def take_in(data: bytes) -> None:
        try:
            for body in framing.feed(data):
                connection.receive(body)
        except StreamError as error:
            log.error("cannot go on reading: %s", error)
            data = b""
        if not data:
            lost.set()

    def read() -> None:
        """Run in a thread of its own; bypasses `sys.stdin`, whose lock would block the end of the process."""
        data = b"..."
        while data:
            try:
                data = os.read(0, READ_BYTES)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(take_in, data)
            except RuntimeError:  # the loop has ended
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    code = await _first(connection.finished(), lost, stop)
    if code is not None:
        await asyncio.sleep(GRACE_SECONDS)
    await connection.close()
    await asyncio.to_thread(writer.close)
    return 1 if code is None else code


def _claim_stdout() -> int:
    """Standard output as a descriptor of our own; whatever else prints goes to standard error from now on."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (0, ours):
            msvcrt.setmode(descriptor, os.O_BINARY)
    return ours


class _ThreadedWriter:
    """Writes framed messages to a descriptor from a thread."""

    def __init__(self, descriptor: int, on_lost: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_lost = on_lost
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._unsent = 0
        self._lost = False
        self._thread = threading.Thread(target=self._run, name="stdout", daemon=True)
        self._thread.start()

    def write(self, body: bytes) -> None:
        message = frame(body)
        if self._count(len(message)) > MAX_UNSENT_BYTES and not self._lost:
            log.error("the client reads nothing: hung up")
            self._lose()
        if not self._lost:
            self._queue.put(message)

    def close(self) -> None:
        """Wait, but not for long, until everything is written."""
        self._queue.put(None)
        self._thread.join(CLOSE_PATIENCE_SECONDS)

    def _lose(self) -> None:
        self._lost = True
        self._on_lost()

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            view = memoryview(message)
            try:
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                return self._lose()
            self._count(-len(message))
        return None

    def _count(self, more: int) -> int:
        with self._counting:
            self._unsent += more
            return self._unsent


class _Listener:
    """Clients that come and go."""

    def __init__(self, connect: Connect, stop: asyncio.Event) -> None:
        self._connect = connect
        self._stop = stop
        self._clients = 0
        self._code = 0

    async def serve_tcp(self, host: str, port: int) -> int:
        async with await asyncio.start_server(self._tcp_client, host, port) as server:
            log.info("listening on %s", ", ".join(_address(sock.getsockname()) for sock in server.sockets))
            await self._stop.wait()
        return self._code

    async def serve_websocket(self, host: str, port: int) -> int:
        from websockets.asyncio.server import ServerConnection, serve

        async def client(socket: ServerConnection) -> None:
            outgoing: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_UNSENT_MESSAGES)

            async def send_all() -> None:
                while (body := await outgoing.get()) is not None:
                    await socket.send(body.decode("ascii"))

            def send(body: bytes) -> None:
                try:
                    outgoing.put_nowait(body)
                except asyncio.QueueFull:
                    log.error("the client reads nothing: hung up")
                    sender.cancel()

            async def receive(connection: Connection) -> None:
                async for message in socket:
                    connection.receive(message)

            sender = asyncio.ensure_future(send_all())
            try:
                await self._serve_client(send, receive)
                await asyncio.wait_for(outgoing.put(None), CLOSE_PATIENCE_SECONDS)
                await asyncio.wait([sender], timeout=CLOSE_PATIENCE_SECONDS)
            finally:
                sender.cancel()

        origins = [None, _OWN_ORIGIN]
        async with serve(client, host, port, origins=origins, max_size=MAX_BODY_BYTES) as server:
            log.info("listening on %s", ", ".join(_address(sock.getsockname()) for sock in server.sockets))
            await self._stop.wait()
        return self._code

    async def _tcp_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(body: bytes) -> None:
            if writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                log.error("the client reads nothing: hung up")
                writer.transport.abort()
            elif not writer.is_closing():
                writer.write(frame(body))

        async def receive(connection: Connection) -> None:
            framing = Framing()
            while data := await reader.read(READ_BYTES):
                for body in framing.feed(data):
                    connection.receive(body)

        try:
            await self._serve_client(send, receive)
        finally:
            writer.close()

    async def _serve_client(
        self, send: Callable[[bytes], None], receive: Callable[[Connection], Awaitable[None]]
    ) -> None:
        """One client from its connection to its ``exit`` or its loss."""
        self._clients += 1
        connection = self._connect(send)
        receiving = asyncio.ensure_future(receive(connection))
        lost = asyncio.Event()
        receiving.add_done_callback(lambda _: lost.set())
        code = None
        try:
            code = await _first(connection.finished(), lost, self._stop)
            if code is not None:
                await asyncio.sleep(GRACE_SECONDS)
        finally:
            receiving.cancel()
            (problem,) = await asyncio.gather(receiving, return_exceptions=True)
            if isinstance(problem, Exception):
                log.info("a client was lost: %s", problem)
            await connection.close()
            self._clients -= 1
            if code is not None and self._clients == 0:
                self._code = code
                self._stop.set()


async def _first(finished: Awaitable[int], *events: asyncio.Event) -> int | None:
    """The exit code, or None where an event was set first."""
    exit_ = asyncio.ensure_future(finished)
    others = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait([exit_, *others], return_when=asyncio.FIRST_COMPLETED)
        return exit_.result() if exit_.done() else None
    finally:
        for task in (exit_, *others):
            task.cancel()


def _address(name: tuple[object, ...]) -> str:
    return f"{name[0]}:{name[1]}"
