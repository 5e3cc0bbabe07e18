"""A small SQLite file of events, written by a thread of its own.

Recording never waits and never fails: a disk that is full or read-only, or a file that is damaged, costs the
statistics and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import platformdirs

from mellum_lsp.feedback.events import Event, Kind

log = logging.getLogger(__name__)

_SCHEMA_VERSION = 4
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    suggestion TEXT NOT NULL,
    language TEXT NOT NULL,
    model TEXT NOT NULL,
    characters INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    probability REAL NOT NULL,
    latency_ms REAL NOT NULL,
    source TEXT NOT NULL DEFAULT '',
    of_characters INTEGER NOT NULL DEFAULT 0,
    form TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS events_of_a_suggestion ON events (suggestion);
"""
_MIGRATIONS = {
    1: "ALTER TABLE events ADD COLUMN source TEXT NOT NULL DEFAULT ''",
    2: "ALTER TABLE events ADD COLUMN of_characters INTEGER NOT NULL DEFAULT 0",
    3: "ALTER TABLE events ADD COLUMN form TEXT NOT NULL DEFAULT ''",
}
"""What makes the next version's schema of a version's."""

_COLUMNS = (
    "at, kind, suggestion, language, model, characters, lines, probability, latency_ms, source, of_characters"
    ", form"
)
KEPT_DAYS = 180
_WAITING_EVENTS = 10_000
_EVENTS_AT_ONCE = 500
_BUSY_SECONDS = 5.0


def default_path() -> Path:
    """Where the events of this user are kept."""
    return Path(platformdirs.user_state_dir("mellum-lsp", appauthor=False)) / "feedback.sqlite3"


class FeedbackStore:
    """Records events; does nothing at all where ``enabled`` is false.

    Several servers may write to one file. After `close`, and after trouble with the file, events are dropped.
    Events older than ``days`` are forgotten when the first new one is written.
    """

    def __init__(self, path: Path | None = None, enabled: bool = True, days: int = KEPT_DAYS) -> None:
        self._path = path or default_path()
        self._days = days
        self._queue: queue.Queue[Event | None] = queue.Queue(_WAITING_EVENTS)
        self._broken = not enabled
        self._thread: threading.Thread | None = None

    def record(self, event: Event) -> None:
        """Keep the event, some time soon. Never blocks, never raises."""
        if self._broken:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="feedback", daemon=True)
            self._thread.start()
        with contextlib.suppress(queue.Full):  # a disk that slow is not worth waiting for
            self._queue.put_nowait(event)

    def close(self, timeout: float = 2.0) -> None:
        """Write what still waits, for at most ``timeout`` seconds."""
        thread, self._broken = self._thread, True
        if thread:
            with contextlib.suppress(queue.Full):  # then the thread is not waiting either
                self._queue.put_nowait(None)
            thread.join(timeout)

    def read(self) -> list[Event]:
        """All events, oldest first; none where there is no readable file. Blocks: not for an event loop."""
        if not self._path.is_file():
            return []
        try:
            with contextlib.closing(_open(self._path)) as connection:
                return [
                    _event(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM events ORDER BY at")
                ]
        except (sqlite3.Error, OSError) as error:
            log.warning("the feedback in %s cannot be read: %s", self._path, error)
            return []

    def clear(self) -> int:
        """Forget everything; returns how many events there were. Raises `sqlite3.Error` and `OSError`."""
        if not self._path.is_file():
            return 0
        with contextlib.closing(_open(self._path)) as connection:
            with connection:
                forgotten = connection.execute("DELETE FROM events").rowcount
            connection.execute("VACUUM")  # what is deleted would otherwise still lie in the file
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return forgotten

    def _write_all(self) -> None:
        try:
            with contextlib.closing(_open(self._path)) as connection:
                with connection:
                    oldest = time.time() - self._days * 24 * 3600
                    connection.execute("DELETE FROM events WHERE at < ?", (oldest,))
                for events in self._batches():
                    with connection:
                        connection.executemany(
                            f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            map(_row, events),
                        )
        except (sqlite3.Error, OSError) as error:
            self._broken = True
            log.warning("feedback is no longer recorded, %s cannot be written: %s", self._path, error)

    def _batches(self) -> Iterator[list[Event]]:
        """What waits, as it comes, until the store is closed."""
        while True:
            batch = [self._queue.get()]
            while len(batch) < _EVENTS_AT_ONCE:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            yield [event for event in batch if event is not None]
            if None in batch or (self._broken and self._queue.empty()):
                return


def _open(path: Path) -> sqlite3.Connection:
    """The database, created where needed. A crash at any moment loses at most the last events."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > _SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"it was written by a newer version (schema {version})")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        for older in range(version or _SCHEMA_VERSION, _SCHEMA_VERSION):
            _migrate(connection, older)
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Make the next version of ``version``, unless another server has just done so."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone() == (version,):
            connection.execute(_MIGRATIONS[version])
            connection.execute(f"PRAGMA user_version = {version + 1}")


def _row(event: Event) -> tuple[object, ...]:
    return (
        event.at,
        event.kind.value,
        event.suggestion,
        event.language,
        event.model,
        event.characters,
        event.lines,
        event.probability,
        event.latency_ms,
        event.source,
        event.of_characters,
        event.form,
    )


def _event(row: Iterable[object]) -> Event:
    at, kind, suggestion, language, model, characters, lines, probability, latency_ms, source, of, form = row
    return Event(
        kind=Kind(kind),
        suggestion=str(suggestion),
        language=str(language),
        model=str(model),
        characters=int(str(characters)),
        lines=int(str(lines)),
        probability=float(str(probability)),
        latency_ms=float(str(latency_ms)),
        at=float(str(at)),
        source=str(source),
        of_characters=int(str(of)),
        form=str(form),
    )
