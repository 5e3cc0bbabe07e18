"""One server as its engine sees it: frames in, frames out, and never a reason to wait."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from io import RawIOBase
from typing import BinaryIO

from mellum_lsp.engine import messages

MOST_WAITING_BYTES = 8_000_000
"""A server that leaves more than this unread is dropped. A token's frame has some 40 bytes."""


class Connection:
    """Two streams of a pipe or a socket; ``close`` ends both, which lets `receive` return.

    `send` may be called from any thread and never blocks: a thread of its own writes, so that a server that
    stopped reading does not stop the engine from serving others.
    """

    def __init__(self, source: BinaryIO, sink: RawIOBase | BinaryIO, close: Callable[[], None]) -> None:
        self._source = source
        self._sink = sink
        self._close = close
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._dropped = False
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def send(self, message: messages.FromEngine) -> None:
        """Let the message be written. That the server has gone is noticed by whoever reads."""
        data = messages.frame(message)
        with self._lock:
            self._waiting_bytes += len(data)
            too_much = self._waiting_bytes > MOST_WAITING_BYTES
        if too_much:
            self.drop()
        else:
            self._outgoing.put(data)

    def receive(self) -> messages.ToEngine | None:
        """The next message, None at the end of the stream, also where it ends inside a frame.

        Raises `EngineError` and `msgspec.MsgspecError` for what is no message, `OSError` where the
        connection broke or a time limit passed.
        """
        prefix = self._source.read(messages.LENGTH.size)
        if len(prefix) < messages.LENGTH.size:
            return None
        length = messages.body_length(prefix)
        body = self._source.read(length)
        return messages.decode_to_engine(body) if len(body) == length else None

    def drop(self) -> None:
        """End the connection at once, whatever is still to be written."""
        with self._lock:
            if self._dropped:
                return
            self._dropped = True
        self._outgoing.put(None)
        with contextlib.suppress(OSError):
            self._close()

    def finish(self, seconds: float) -> None:
        """Write what waits, for so long at most, then end the connection."""
        self._outgoing.put(None)
        self._writer.join(seconds)
        self.drop()

    def _write(self) -> None:
        while (data := self._outgoing.get()) is not None:
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[self._sink.write(rest) :]
            except (OSError, ValueError):  # the latter from a stream that was closed
                return
            with self._lock:
                self._waiting_bytes -= len(data)
