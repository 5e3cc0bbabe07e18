"""Records sessions: every message both ways with its direction and time, one JSON object a line.

A line is in the file before its message is handled, so that also a server that is killed leaves all that led
to it; at most the last line is broken. The first line of a session tells whose it is. Messages hold source
text: the file is its user's alone (mode 0600). `mellum-lsp protocol replay` plays it again.
"""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mellum_lsp import __version__
from mellum_lsp.lsp.transports import Connect, Connection

log = logging.getLogger(__name__)

FORMAT = 1
NOTE = "holds the source text of every document of the session; treat it as you treat that"

Sender = Literal["client", "server"]


class Recorder:
    """Appends sessions to the file ``path``. Raises `OSError` where it cannot be written.

    It writes on the event loop, unlike everything else: a line must be there before anything can go wrong
    with it. ``model`` is the one chosen on the command line.
    """

    def __init__(self, path: Path, model: str | None) -> None:
        self._path = path
        self._model = model
        # O_APPEND: servers of several windows may share one file, each line stays whole.
        self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        path.chmod(0o600)

    def recorded(self, connect: Connect) -> Connect:
        """``connect``, with every session recorded."""

        def connect_recorded(send: Callable[[bytes], None]) -> Connection:
            session = _Session(self._write, self._model)

            def send_recorded(body: bytes) -> None:
                session.said("server", body)
                send(body)

            return _RecordedConnection(connect(send_recorded), session)

        return connect_recorded

    def close(self) -> None:
        """Record nothing more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        data = json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
        try:
            if os.write(self._file, data) < len(data):
                raise OSError("no space left")
        except OSError as error:
            log.error("the recording %s ends here: %s", self._path, error.strerror or error)
            self.close()


class _Session:
    """One client's lines."""

    def __init__(self, write: Callable[[dict[str, Any]], None], model: str | None) -> None:
        self._write = write
        self._id = uuid.uuid4().hex[:8]
        self._began = time.monotonic()
        begin = {"format": FORMAT, "server": f"mellum-lsp {__version__}", "model": model, "note": NOTE}
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        write({"session": self._id, "at": 0.0, "begin": {**begin, "time": began}})

    def said(self, sender: Sender, body: bytes | str) -> None:
        at = round(time.monotonic() - self._began, 6)
        self._write({"session": self._id, "at": at, "from": sender} | _content(body))


class _RecordedConnection:
    """A `Connection` whose messages are written down before they are taken in."""

    def __init__(self, connection: Connection, session: _Session) -> None:
        self._connection = connection
        self._session = session

    def receive(self, body: bytes | str) -> None:
        self._session.said("client", body)
        self._connection.receive(body)

    async def finished(self) -> int:
        return await self._connection.finished()

    async def close(self) -> None:
        await self._connection.close()


def _content(body: bytes | str) -> dict[str, Any]:
    """The message as JSON; what is none as the text it is, one character a byte."""
    try:
        message = json.loads(body)
        json.dumps(message, allow_nan=False)
    except (ValueError, RecursionError):
        return {"text": body.decode("latin-1") if isinstance(body, bytes) else body}
    return {"message": message}
