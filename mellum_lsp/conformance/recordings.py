"""Reads what `mellum-lsp serve --record` wrote: the sessions of a file, message by message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from mellum_lsp.lsp.recording import FORMAT


class RecordingError(Exception):
    """A file cannot be read as a recording."""


class _Line(msgspec.Struct, rename={"sender": "from"}):
    """One line; transcripts written by hand leave out all but ``from`` and ``message``."""

    session: str = ""
    at: float = 0.0
    sender: Literal["client", "server"] = "client"
    message: Any = msgspec.UNSET
    text: str = ""
    begin: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One message: who sent it, how many seconds after the session's beginning, and its body.

    ``message`` is None where the body was no JSON object.
    """

    sender: Literal["client", "server"]
    at: float
    message: dict[str, Any] | None
    body: bytes

    @property
    def method(self) -> str:
        method = (self.message or {}).get("method")
        return method if isinstance(method, str) else ""

    @property
    def id(self) -> Any:
        return (self.message or {}).get("id")

    @property
    def is_request(self) -> bool:
        return bool(self.method) and self.id is not None

    @property
    def is_reply(self) -> bool:
        return not self.method and bool({"result", "error"} & set(self.message or {}))

    @property
    def params(self) -> Any:
        return (self.message or {}).get("params")


@dataclass(slots=True)
class Session:
    """One client's session. ``begin`` tells of the server that recorded it: its name, ``model``, time."""

    id: str
    begin: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    @property
    def client(self) -> str:
        """The editor's name and version, as it told them."""
        for entry in self.entries:
            info = entry.params.get("clientInfo") if isinstance(entry.params, dict) else None
            if entry.method == "initialize" and isinstance(info, dict):
                return " ".join(str(info[key]) for key in ("name", "version") if info.get(key))
        return "an editor that gives no name"


def read_recording(path: Path) -> list[Session]:
    """The sessions of a file, in the order in which they began. Raises `RecordingError` and `OSError`.

    A last line that is broken is left out: the server was killed while it wrote it.
    """
    return sessions_of(path.read_text(encoding="utf-8").splitlines(), str(path))


def sessions_of(lines: Iterable[str], name: str = "the recording") -> list[Session]:
    """The sessions of the lines of a recording. Raises `RecordingError`, which calls it ``name``."""
    sessions: dict[str, Session] = {}
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    for number, text in numbered:
        try:
            line = msgspec.json.decode(text, type=_Line)
        except msgspec.DecodeError as error:
            if number == numbered[-1][0] and sessions:
                break
            raise RecordingError(
                f"{name}, line {number}: {error}\n"
                "hint: a recording is a file that `mellum-lsp serve --record FILE` wrote."
            ) from error
        session = sessions.setdefault(line.session, Session(line.session))
        if line.begin is not None:
            if line.begin.get("format") != FORMAT:
                raise RecordingError(
                    f"{name} has format {line.begin.get('format')!r}, this program reads {FORMAT}\n"
                    "hint: use the version of mellum-lsp that recorded it."
                )
            session.begin = line.begin
        else:
            session.entries.append(_entry(line))
    if not any(session.entries for session in sessions.values()):
        raise RecordingError(f"{name} holds no messages\nhint: was the server ever connected to?")
    return list(sessions.values())


def chosen(sessions: list[Session], session_id: str | None) -> Session:
    """The session of that id, the last one where none is named. Raises `RecordingError`."""
    if session_id is None:
        return [session for session in sessions if session.entries][-1]
    for session in sessions:
        if session.id == session_id:
            return session
    known = ", ".join(f"{session.id} ({session.client})" for session in sessions)
    raise RecordingError(f"there is no session {session_id!r}\nhint: there are {known}")


def _entry(line: _Line) -> Entry:
    if line.message is msgspec.UNSET:
        return Entry(line.sender, line.at, None, line.text.encode("latin-1", "replace"))
    message = line.message if isinstance(line.message, dict) else None
    return Entry(line.sender, line.at, message, msgspec.json.encode(line.message))
