"""What a shared engine is made of: idleness, connections that never block, news for all, a rotating log."""

from __future__ import annotations

import math
import os
import threading
from io import BytesIO
from pathlib import Path

import pytest

from mellum_lsp.engine import connection as connection_module
from mellum_lsp.engine import engine_log, messages
from mellum_lsp.engine.connection import Connection
from mellum_lsp.engine.engine_log import EngineLog
from mellum_lsp.engine.idleness import Idleness
from mellum_lsp.engine.interface import EngineError
from mellum_lsp.engine.servers import Servers
from mellum_lsp.engine.settings import Lifetime


class TestIdleness:
    def test_an_engine_that_nobody_has_joined_waits_the_usual_time(self) -> None:
        assert Idleness(now=100.0).seconds_left(110.0) == Lifetime().idle_seconds - 10

    def test_with_servers_the_longest_wish_counts_and_every_request_begins_anew(self) -> None:
        idleness = Idleness(0.0)
        idleness.joined(1, Lifetime(5, 100), 0.0)
        idleness.joined(2, Lifetime(5, 300), 10.0)
        assert idleness.seconds_left(20.0) == 290
        idleness.worked(50.0)
        assert idleness.seconds_left(50.0) == 300
        assert idleness.seconds_left(1000.0) == 0

    def test_after_the_last_server_the_wishes_of_all_count_from_when_they_left(self) -> None:
        idleness = Idleness(0.0)
        idleness.joined(1, Lifetime(60, 100), 0.0)
        idleness.joined(2, Lifetime(5, 100), 10.0)
        idleness.left(1, 10.0)
        assert idleness.seconds_left(10.0) == 100
        idleness.left(2, 20.0)
        assert idleness.seconds_left(21.0) == 49
        idleness.joined(3, Lifetime(0, 100), 60.0)
        idleness.left(3, 80.0)
        assert idleness.seconds_left(80.0) == 0

    def test_a_short_visit_is_all_that_a_new_engine_was_started_for(self) -> None:
        idleness = Idleness(0.0)
        idleness.joined(1, Lifetime(0, 100), 1.0)
        idleness.left(1, 2.0)
        assert idleness.seconds_left(2.0) == 0

    def test_for_ever_is_for_ever(self) -> None:
        idleness = Idleness(0.0)
        idleness.joined(1, Lifetime(0, math.inf), 0.0)
        assert idleness.seconds_left(1e9) == math.inf


class Pipe:
    """A connection over a real pipe, seen from the other end."""

    def __init__(self, received: bytes = b"") -> None:
        reading, writing = os.pipe()
        self.other_end = os.fdopen(reading, "rb")
        self._sink = os.fdopen(writing, "wb", buffering=0)
        self.dropped = threading.Event()
        self.connection = Connection(BytesIO(received), self._sink, self.dropped.set)

    def told(self) -> messages.FromEngine:
        prefix = self.other_end.read(messages.LENGTH.size)
        return messages.decode_from_engine(self.other_end.read(messages.body_length(prefix)))


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


class TestConnection:
    def test_what_is_sent_arrives_in_order(self, pipe: Pipe) -> None:
        for number in range(100):
            pipe.connection.send(messages.Started(number))
        assert [pipe.told() for _ in range(100)] == [messages.Started(number) for number in range(100)]
        pipe.connection.drop()

    def test_sending_never_waits_and_who_reads_nothing_is_dropped(
        self, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection_module, "MOST_WAITING_BYTES", 300_000)
        for _ in range(400):
            pipe.connection.send(messages.Generated(1, 1, b"x" * 1000, 0.5))
        assert pipe.dropped.is_set()

    def test_the_last_words_are_written_before_it_ends(self, pipe: Pipe) -> None:
        pipe.connection.send(messages.LoadFailed("ModelBroken", "x"))
        pipe.connection.finish(5.0)
        assert pipe.dropped.is_set()
        assert pipe.told() == messages.LoadFailed("ModelBroken", "x")

    def test_a_stream_that_ends_inside_a_frame_has_ended(self) -> None:
        frame = messages.frame(messages.Abort(1))
        connection = Pipe(frame + frame[:-1]).connection
        assert connection.receive() == messages.Abort(1)
        assert connection.receive() is None
        connection.drop()

    def test_a_frame_that_cannot_be_ours_is_an_error(self) -> None:
        connection = Pipe(b"GET / HTTP/1.1\r\n").connection
        with pytest.raises(EngineError):
            connection.receive()
        connection.drop()


class TestServers:
    def test_whoever_comes_hears_the_latest_news_and_all_that_follow(self) -> None:
        servers, early, late = Servers(), Pipe(), Pipe()
        assert servers.join(early.connection, Lifetime()) == 1
        servers.tell(messages.Loading(0.5))
        assert servers.join(late.connection, Lifetime()) == 2
        servers.tell(messages.Loading(1.0))
        welcome = messages.Welcome(messages.PROTOCOL, os.getpid())
        said = [messages.Loading(fraction) for fraction in (0.0, 0.5, 1.0)]
        assert [early.told() for _ in range(4)] == [welcome, *said]
        assert [late.told() for _ in range(3)] == [welcome, *said[1:]]
        early.connection.drop()
        late.connection.drop()

    def test_nobody_is_welcome_once_it_is_over(self) -> None:
        servers, pipe = Servers(), Pipe()
        number = servers.join(pipe.connection, Lifetime(idle_seconds=0))
        assert number
        assert not servers.end_if_idle()
        servers.leave(number)
        assert servers.end_if_idle()
        assert servers.join(pipe.connection, Lifetime()) is None
        pipe.connection.drop()

    def test_bad_news_wait_until_they_were_heard(self) -> None:
        servers, pipe = Servers(), Pipe()
        servers.tell(messages.LoadFailed("ModelBroken", "x"))
        over = threading.Thread(target=servers.end_with_bad_news)
        over.start()
        number = servers.join(pipe.connection, Lifetime())
        assert number, "the first one may come late"
        assert over.is_alive()
        servers.leave(number)
        over.join(5)
        assert not over.is_alive()
        assert servers.join(pipe.connection, Lifetime()) is None
        pipe.connection.drop()


class TestLog:
    def test_a_large_one_is_moved_aside_while_it_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine_log, "LARGEST_BYTES", 10)
        log = EngineLog(tmp_path / "engine.log")
        with log.open() as file:
            for text in (b"short", b"longer than ten"):
                os.write(file.fileno(), text)
                log.rotate(file.fileno())
            os.write(file.fileno(), b"new")
        assert (tmp_path / "engine.log").read_bytes() == b"new"
        assert (tmp_path / "engine.log.1").read_bytes() == b"shortlonger than ten"

    def test_one_that_another_engine_moved_aside_is_followed(self, tmp_path: Path) -> None:
        path = tmp_path / "engine.log"
        log = EngineLog(path)
        with log.open() as file:
            path.rename(tmp_path / "engine.log.1")
            log.rotate(file.fileno())
            os.write(file.fileno(), b"new")
        assert path.read_bytes() == b"new"

    def test_the_last_words_of_native_code_are_told(self, tmp_path: Path) -> None:
        path = tmp_path / "engine.log"
        path.write_bytes(b"GGML_ASSERT(of another engine) failed\n")
        log = EngineLog(path)
        with log.open() as file:
            file.write(b"serving\nggml.c:12: GGML_ASSERT(n > 0) failed\nthread 1\n")
        said = log.explain("it ended")
        assert said == f"it ended: ggml.c:12: GGML_ASSERT(n > 0) failed; its log is {path}"

    def test_where_nothing_was_said_there_is_only_the_place(self, tmp_path: Path) -> None:
        path = tmp_path / "engine.log"
        assert EngineLog(path).explain("it ended") == f"it ended; its log is {path}"
        assert EngineLog(None).explain("it ended") == "it ended; it kept no log"

    def test_a_log_that_cannot_be_written_stops_nobody(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        log = EngineLog(tmp_path / "file" / "engine.log")
        with log.open() as file:
            file.write(b"lost")
