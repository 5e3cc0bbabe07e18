"""What was shown and what was written in its place: source text, kept only where a user has opted in.

A file of its own beside the statistics, readable for its user alone and cleared by its own command. From it
training learns what somebody prefers (`pairs`), on this machine.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

from mellum_lsp.domain import Marker, Part, PartKind, Prompt

KEPT_DAYS = 180
MOST_BYTES = 64 * 1024**2
"""Of prompts and texts; the oldest records go first."""
_BUSY_SECONDS = 5.0
_SCHEMA = "CREATE TABLE IF NOT EXISTS preferences (at REAL NOT NULL, record BLOB NOT NULL)"

Became = Literal["accepted", "dismissed", "typed"]


@dataclass(frozen=True, slots=True)
class Preference:
    """A suggestion at its place, and what stood there half a minute after it.

    ``prompt`` is what the model was shown, ``shown`` the suggestion, ``written`` as many lines as that has
    of what the user left there: of an accepted suggestion the same text, or what it was edited to.
    ``became`` is "typed" where it was neither accepted nor dismissed. ``at`` is in seconds since 1970.
    """

    model: str
    language: str
    became: Became
    prompt: Prompt
    shown: str
    written: str
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, of which the user preferred the first; ``reason`` is how that is known."""

    prompt: Prompt
    chosen: str
    rejected: str
    reason: str


def pairs(records: Iterable[Preference]) -> Iterator[Pair]:
    """What can be learnt: suggestions that were refused or edited, beside what was written instead.

    One that was left as it was says what is right but not what is wrong, and so does one that was merely not
    looked at to its end: what was written begins it.
    """
    for record in records:
        chosen, rejected = record.written.rstrip(), record.shown.rstrip()
        if not chosen.strip() or rejected.startswith(chosen):
            continue
        yield Pair(
            record.prompt, chosen, rejected, "edited" if record.became == "accepted" else record.became
        )


def default_path() -> Path:
    """Where the preferences of this user are kept."""
    return Path(platformdirs.user_state_dir("mellum-lsp", appauthor=False)) / "preferences.sqlite3"


class PreferenceStore:
    """Keeps records; several servers may write to one file. All methods block and raise `OSError` and
    `sqlite3.Error`."""

    def __init__(self, path: Path | None = None, days: int = KEPT_DAYS, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._days = days
        self._most_bytes = most_bytes

    @property
    def path(self) -> Path:
        return self._path or default_path()

    def add(self, record: Preference) -> None:
        """Keep the record, and forget what is too old or too much."""
        with self._opened() as connection, connection:
            connection.execute(
                "INSERT INTO preferences VALUES (?, ?)", (record.at, msgspec.json.encode(_row(record)))
            )
            connection.execute("DELETE FROM preferences WHERE at < ?", (time.time() - self._days * 86400,))
            connection.execute(
                "DELETE FROM preferences WHERE rowid IN (SELECT rowid FROM (SELECT rowid, "
                "sum(length(record)) OVER (ORDER BY at DESC, rowid DESC) AS together FROM preferences) "
                "WHERE together > ?)",
                (self._most_bytes,),
            )

    def read(self) -> list[Preference]:
        """All records, oldest first; none where there is no file."""
        if not self.path.is_file():
            return []
        with self._opened() as connection:
            rows = connection.execute("SELECT record FROM preferences ORDER BY at").fetchall()
        return [_record(msgspec.json.decode(row, type=_Row)) for (row,) in rows]

    def clear(self) -> int:
        """Forget everything, a damaged file too; returns how many records could be read."""
        try:
            forgotten = len(self.read())
        except (sqlite3.Error, msgspec.MsgspecError):
            forgotten = 0
        for ending in ("", "-journal", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        return forgotten

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Made by us first, because SQLite would make it readable for others.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        self.path.chmod(0o600)
        with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(_SCHEMA)
            yield connection


class _Row(msgspec.Struct):
    """A record as it is stored: of the prompt's parts the segments are pairs, of a marker or of text."""

    model: str
    language: str
    became: Became
    prompt: list[tuple[PartKind, str, list[tuple[str, str]]]]
    shown: str
    written: str
    at: float


def _row(record: Preference) -> _Row:
    prompt = [
        (
            part.kind,
            part.path,
            [("text", one) if isinstance(one, str) else ("marker", one.text) for one in part.segments],
        )
        for part in record.prompt
    ]
    return _Row(record.model, record.language, record.became, prompt, record.shown, record.written, record.at)


def _record(row: _Row) -> Preference:
    prompt = tuple(
        Part(
            kind,
            path,
            tuple(Marker(text) if what == "marker" else text for what, text in segments),
        )
        for kind, path, segments in row.prompt
    )
    return Preference(row.model, row.language, row.became, prompt, row.shown, row.written, row.at)
