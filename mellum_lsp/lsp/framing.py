"""Cuts a stream of bytes into the messages of the base protocol (``Content-Length: 17``, blank line, body).

Pure: bytes in, bodies out, shared by standard input and TCP. Header names may be written in any case, other
headers are skipped, and bytes that are no header at all are dropped up to the next one, so that a stray
line in the stream, or a body longer than its header says, costs that message and not the session.
"""

from __future__ import annotations

import re

MAX_HEADER_BYTES = 16 * 1024
MAX_BODY_BYTES = 256 * 1024 * 1024

_LENGTH = re.compile(
    # Also within a line: at its beginning stands what a header that counted too little has left of a body.
    rb"(?<![\w-])content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


class StreamError(Exception):
    """The stream can no longer be cut into messages: the connection is of no more use."""


class Framing:
    """Feed it bytes as they come; it keeps what is not complete yet."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._expected: int | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that ``data`` completes. Raises `StreamError` for headers or bodies without bounds."""
        self._buffer += data
        bodies = []
        while (body := self._next()) is not None:
            bodies.append(body)
        return bodies

    def _next(self) -> bytes | None:
        while self._expected is None:
            end = _END_OF_HEADERS.search(self._buffer)
            if end is None:
                if len(self._buffer) > MAX_HEADER_BYTES:
                    raise StreamError(f"no end of the headers within {MAX_HEADER_BYTES} bytes")
                return None
            lengths = _LENGTH.findall(self._buffer[: end.start() + 1])
            del self._buffer[: end.end()]
            if lengths:
                self._expected = int(lengths[-1])
        if self._expected > MAX_BODY_BYTES:
            raise StreamError(f"a message of {self._expected} bytes is longer than {MAX_BODY_BYTES}")
        if len(self._buffer) < self._expected:
            return None
        body = bytes(self._buffer[: self._expected])
        del self._buffer[: self._expected]
        self._expected = None
        return body


def frame(body: bytes) -> bytes:
    """``body`` with its header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
