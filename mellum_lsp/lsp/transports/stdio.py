"""Messages over standard input and output: the session is the process.

Reading and writing standard streams blocks, so each has a thread of its own. (An executor's threads would not
do: one that waits for input keeps the interpreter from ending.)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable

from mellum_lsp.lsp.framing import Framing, StreamError, frame
from mellum_lsp.lsp.transports.connection import (
    CLOSE_PATIENCE_SECONDS,
    GRACE_SECONDS,
    MAX_UNSENT_BYTES,
    READ_BYTES,
    Connect,
    first,
)

log = logging.getLogger(__name__)


async def serve_stdio(connect: Connect, stop: asyncio.Event) -> int:
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
    code = await first(connection.finished(), lost, stop)
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
