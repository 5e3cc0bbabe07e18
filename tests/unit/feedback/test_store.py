"""Feedback is kept across crashes, holds no source, and is never in the way."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.feedback.store import FeedbackStore, default_path

NOW = float(int(time.time()))
EVENT = Event(Kind.SHOWN, "s1", "python", "nano-135m", 12, 1, 0.81, 43.5, at=NOW, source="cache", form="line")


def test_what_is_recorded_can_be_read(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path / "deep" / "feedback.sqlite3")
    accepted = dataclasses.replace(EVENT, kind=Kind.PARTIALLY_ACCEPTED, characters=3, at=NOW + 1)
    store.record(EVENT)
    store.record(accepted)
    store.close()
    assert store.read() == [EVENT, accepted]


def test_several_servers_write_to_one_file(tmp_path: Path) -> None:
    stores = [FeedbackStore(tmp_path / "feedback.sqlite3") for _ in range(3)]
    for number in range(30):
        for store in stores:
            store.record(dataclasses.replace(EVENT, at=NOW + number))
    for store in stores:
        store.close()
    assert len(stores[0].read()) == 90


def test_a_killed_server_loses_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite3"
    program = f"""
import os, pathlib, time
from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.feedback.store import FeedbackStore
store = FeedbackStore(pathlib.Path({str(path)!r}))
for number in range(20):
    store.record(Event(Kind.SHOWN, str(number)))
while len(store.read()) < 20:
    time.sleep(0.01)
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=30).returncode == 9
    assert len(FeedbackStore(path).read()) == 20


def test_switched_off_it_leaves_no_trace(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path / "feedback.sqlite3", enabled=False)
    store.record(EVENT)
    store.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"no database", None])
def test_a_broken_or_unwritable_place_costs_only_the_statistics(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "feedback.sqlite3"
    if content is None:
        path.mkdir()  # a directory can be opened by nobody, not even by root
    else:
        path.write_bytes(content)
    store = FeedbackStore(path)
    for _ in range(3):
        store.record(EVENT)
        time.sleep(0.02)
    store.close()
    assert store.read() == []


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    store = FeedbackStore(path)
    store.record(EVENT)
    store.close()
    assert path.read_bytes() == before


def test_a_file_of_the_first_version_is_read_and_written_on(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("""
            CREATE TABLE events (at REAL NOT NULL, kind TEXT NOT NULL, suggestion TEXT NOT NULL,
                language TEXT NOT NULL, model TEXT NOT NULL, characters INTEGER NOT NULL,
                lines INTEGER NOT NULL, probability REAL NOT NULL, latency_ms REAL NOT NULL);
            INSERT INTO events VALUES (unixepoch() - 3600, 'shown', 's0', 'python', 'm', 5, 1, 0.9, 40.0);
            PRAGMA user_version = 1;
        """)
    store = FeedbackStore(path)
    store.record(EVENT)
    store.close()
    assert [(event.suggestion, event.source) for event in store.read()] == [("s0", ""), ("s1", "cache")]


def test_recording_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite3"
    first = FeedbackStore(path)
    first.record(EVENT)
    first.close()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    store = FeedbackStore(path)
    began = time.perf_counter()
    for _ in range(20_000):
        store.record(EVENT)
    assert time.perf_counter() - began < 1.0
    blocker.execute("ROLLBACK")
    blocker.close()
    began = time.perf_counter()
    store.close()
    assert time.perf_counter() - began < 1.5
    assert len(store.read()) > 5_000, "what found room in the queue is kept"


def test_there_is_no_field_for_source_text() -> None:
    assert {field.name for field in dataclasses.fields(Event)} == {
        *("kind", "suggestion", "language", "model", "characters", "lines"),
        *("probability", "latency_ms", "at", "source", "of_characters", "form"),
    }


def test_the_place_honours_the_users_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert default_path() == tmp_path / "mellum-lsp" / "feedback.sqlite3"


def test_old_events_are_forgotten_when_new_ones_come(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite3"
    for at in (time.time() - 40 * 24 * 3600, time.time()):
        store = FeedbackStore(path, days=30)
        store.record(Event(Kind.SHOWN, "a", at=at))
        store.close()
    FeedbackStore(path, days=30).close()
    store = FeedbackStore(path, days=30)
    store.record(Event(Kind.SHOWN, "b"))
    store.close()
    assert [event.suggestion for event in FeedbackStore(path).read()] == ["a", "b"]
