"""Messages over TCP and WebSocket: a server that listens, for any number of clients.

Each has a session of its own. The server outlives lost connections, and ends when the last client says
``exit``.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable

from mellum_lsp.lsp.framing import MAX_BODY_BYTES, Framing, frame
from mellum_lsp.lsp.transports.connection import (
    CLOSE_PATIENCE_SECONDS,
    GRACE_SECONDS,
    MAX_UNSENT_BYTES,
    MAX_UNSENT_MESSAGES,
    READ_BYTES,
    Connect,
    Connection,
    first,
)

log = logging.getLogger(__name__)

_OWN_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?|vscode-(file|webview)://.*")
"""Web pages that may connect: without this any page in the user's browser could read the user's code."""


class Listener:
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
            code = await first(connection.finished(), lost, self._stop)
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


def _address(name: tuple[object, ...]) -> str:
    return f"{name[0]}:{name[1]}"
