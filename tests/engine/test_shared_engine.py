"""One engine for many servers: found or started, left by one after the other, killed, never left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from asking import LONG, LONG_PROMPT, ONE_THREAD, ask, fim, plain, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mellum_lsp.engine import endpoint, messages, rendezvous, shared
from mellum_lsp.engine.interface import EngineCrashed, EngineError, ModelBroken, Priority
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.rendezvous import place_for
from mellum_lsp.engine.settings import EngineSettings, Lifetime

AT_ONCE = Lifetime(idle_seconds=0.0)
HELLO = messages.Hello(messages.PROTOCOL, "", AT_ONCE)

Open = Callable[..., LlamaEngine]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folders; engines that listen in them must have ended in the end."""
    folder = Path(tempfile.mkdtemp(prefix="home-", dir="/tmp"))  # short enough for a socket
    for name in ("RUNTIME_DIR", "CACHE_HOME", "STATE_HOME", "DATA_HOME"):
        monkeypatch.setenv(f"XDG_{name}", str(folder / name.lower()))
    yield folder
    left = engines_below(folder)
    all_ended = wait_until(lambda: not any(engine.is_running() for engine in left))
    shutil.rmtree(folder)
    assert all_ended, left


@pytest.fixture
async def open_engine(home: Path, tiny_model: Path) -> AsyncIterator[Open]:
    """Makes what a server has of a shared engine; all of them are closed when the test ends."""
    engines: list[LlamaEngine] = []

    def make(
        model: Path = tiny_model, settings: EngineSettings = ONE_THREAD, lifetime: Lifetime = AT_ONCE
    ) -> LlamaEngine:
        log_file = home / "engine.log"
        engines.append(LlamaEngine(model, settings, log_file, launch=shared.join_or_start, lifetime=lifetime))
        return engines[-1]

    yield make
    await asyncio.gather(*(engine.close() for engine in engines))


class TestSharing:
    async def test_two_servers_have_one_engine_that_lives_as_long_as_the_last(
        self, open_engine: Open, home: Path
    ) -> None:
        one, other = open_engine(), open_engine()
        answers = [await read(ask(engine, fim("XYZ123 = "))) for engine in (one, other)]
        assert answers[0].tokens == answers[1].tokens
        assert one.pid == other.pid not in (None, os.getpid())
        (process,) = engines_below(home)
        assert process.pid == one.pid
        await one.close()
        assert (await read(ask(other, plain("X")))).stats.stop == "length"
        assert await other.count_tokens(["XYZ"]) == [3]
        await other.close()
        assert wait_until(lambda: not process.is_running())
        assert list(home.glob("runtime_dir/mellum-lsp/*")) == []

    async def test_ten_servers_that_start_at_once_have_one_engine(
        self, open_engine: Open, home: Path
    ) -> None:
        engines = [open_engine() for _ in range(10)]
        results = await asyncio.gather(*(read(ask(engine, plain("X"), 3)) for engine in engines))
        assert {result.stats.stop for result in results} == {"length"}
        assert len({engine.pid for engine in engines}) == 1
        assert len(engines_below(home)) == 1

    def test_processes_that_start_at_once_have_one_engine(self, home: Path, tiny_model: Path) -> None:
        starters = [
            subprocess.Popen(
                [sys.executable, "-c", SERVER, str(tiny_model), "4096", "X"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(6)
        ]
        pids = [starter.stdout.readline() for starter in starters if starter.stdout]
        for starter in starters:
            starter.communicate(timeout=20)
        assert len(set(pids)) == 1
        assert pids[0].strip().isdigit()

    async def test_the_shared_beginning_of_another_servers_prompt_is_not_evaluated_again(
        self, open_engine: Open
    ) -> None:
        context = "def add(a, b):\n" * 20
        first = await read(ask(open_engine(), fim("x = ", context=context), document="a.py"))
        second = await read(ask(open_engine(), fim("y = ", context=context), document="a.py"))
        assert first.stats.reused_tokens == 0
        assert second.stats.evaluated_tokens < 10 < first.stats.evaluated_tokens

    async def test_documents_of_one_name_are_not_taken_for_each_other(self, open_engine: Open) -> None:
        one, other = open_engine(), open_engine()
        await read(ask(one, plain("X" * 500), document="a.py"))
        await read(ask(other, plain("Y" * 500), document="a.py"))
        again = await read(ask(one, plain("X" * 501), document="a.py"))
        assert again.stats.evaluated_tokens <= 2

    async def test_nobody_aborts_what_another_asked(self, open_engine: Open, long_model: Path) -> None:
        one, other = open_engine(long_model, LONG), open_engine(long_model, LONG)
        await asyncio.gather(one.start(), other.start())
        theirs = ask(one, LONG_PROMPT)
        await asyncio.sleep(0.1)
        assert other._link
        other._link.send(messages.Abort(1))
        await asyncio.sleep(0.1)
        assert not theirs.ended
        theirs.abort()
        assert (await read(theirs)).stats.stop == "aborted"

    async def test_other_settings_mean_another_engine(self, open_engine: Open) -> None:
        one, other = open_engine(), open_engine(settings=EngineSettings(threads=1, context_tokens=512))
        assert (await one.start()).context_tokens == 4096
        assert (await other.start()).context_tokens == 512
        assert one.pid != other.pid

    async def test_a_user_request_ends_the_background_work_of_another_server(
        self, open_engine: Open, long_model: Path
    ) -> None:
        one, other = open_engine(long_model, LONG), open_engine(long_model, LONG)
        await asyncio.gather(one.start(), other.start())
        background = ask(one, LONG_PROMPT, 0, priority=Priority.BACKGROUND)
        await asyncio.sleep(0.1)
        assert (await read(ask(other, plain("X"), 1))).stats.queued_ms < 100
        assert (await read(background)).stats.stop == "aborted"


class TestLoading:
    async def test_every_waiting_server_hears_of_the_progress(self, open_engine: Open) -> None:
        heard: list[list[float]] = [[], [], []]
        engines = [open_engine() for _ in heard]
        starts = (one.start(hears.append) for one, hears in zip(engines, heard, strict=True))
        await asyncio.gather(*starts)
        for fractions in heard:
            assert fractions == sorted(fractions)

    async def test_a_model_that_cannot_be_served_is_explained_to_every_server(
        self, open_engine: Open, home: Path, tiny_model: Path
    ) -> None:
        broken = home / "broken.gguf"
        broken.write_bytes(tiny_model.read_bytes()[:-5000])
        engines = [open_engine(broken) for _ in range(3)]
        errors = await asyncio.gather(*(engine.start() for engine in engines), return_exceptions=True)
        assert [type(error) for error in errors] == [ModelBroken] * 3
        assert all("truncated" in str(error) for error in errors)

    async def test_an_engine_that_cannot_start_is_reported_and_not_tried_for_ever(
        self, open_engine: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        engine = open_engine()
        for _ in range(3):
            with pytest.raises(EngineCrashed, match=r"while loading .*exit code 1"):
                await engine.start()
        with pytest.raises(EngineCrashed, match="keeps ending"):
            await read(ask(engine, plain("X")))


class TestCrash:
    async def test_servers_of_a_killed_engine_go_on_with_a_new_one(
        self, open_engine: Open, long_model: Path, home: Path
    ) -> None:
        engines = [open_engine(long_model, LONG) for _ in range(3)]
        await asyncio.gather(*(engine.start() for engine in engines))
        busy = ask(engines[0], LONG_PROMPT)
        await asyncio.sleep(0.1)
        waiting = [ask(engine, plain("X"), 3) for engine in engines]
        killed = engines[0].pid
        assert killed
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(EngineCrashed, match=rf"ended unexpectedly.*{home / 'engine.log'}\nhint: "):
            await read(busy)
        for generation in waiting:
            assert (await read(generation)).stats.stop == "length"
        for engine in engines:
            assert (await read(ask(engine, plain("Y")))).stats.stop == "length"
        (successor,) = {engine.pid for engine in engines}
        assert successor not in (None, killed)

    async def test_whoever_started_it_knows_how_it_ended(self, open_engine: Open) -> None:
        engine = open_engine()
        await engine.start()
        generation = ask(engine, plain("X"), 4000)
        await anext(aiter(generation))
        assert engine.pid
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineCrashed, match="SIGKILL"):
            await read(generation)

    async def test_an_engine_killed_over_and_over_is_back_at_once(self, open_engine: Open) -> None:
        one, other = open_engine(), open_engine()
        for _ in range(4):
            for engine in (one, other):
                assert (await read(ask(engine, plain("X"), 2))).stats.stop == "length"
            assert one.pid == other.pid is not None
            os.kill(one.pid, signal.SIGKILL)
            await gone(one)
            await gone(other)

    async def test_what_a_killed_engine_left_is_in_nobodys_way(
        self, open_engine: Open, tiny_model: Path
    ) -> None:
        place = place_for(tiny_model, ONE_THREAD)
        place.lock.touch()
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(place.address))
        assert (await open_engine().start()).name == "tiny"

    async def test_a_process_that_holds_the_place_and_does_not_answer_is_reported(
        self, open_engine: Open, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shared, "_PATIENCE_SECONDS", 0.2)
        place = place_for(tiny_model, ONE_THREAD)
        silent = endpoint.Endpoint(place.address)
        try:
            with pytest.raises(EngineError, match=r"does not answer\nhint: .*engine.mode"):
                await open_engine().start()
        finally:
            silent.close()


class TestEnding:
    async def test_it_outlives_its_servers_for_as_long_as_they_wished(
        self, open_engine: Open, home: Path
    ) -> None:
        first = open_engine(lifetime=Lifetime(idle_seconds=1.0))
        await first.start()
        (process,) = engines_below(home)
        await first.close()
        closed = time.monotonic()
        second = open_engine(lifetime=Lifetime(idle_seconds=0))
        await second.start()
        assert second.pid == process.pid
        await second.close()
        assert wait_until(lambda: not process.is_running())
        assert time.monotonic() - closed > 0.9, "the first one's wish counts, though it was not the last"

    async def test_it_ends_beside_servers_that_ask_for_nothing_and_is_back_when_they_do(
        self, open_engine: Open, caplog: pytest.LogCaptureFixture
    ) -> None:
        engine = open_engine(lifetime=Lifetime(idle_seconds=0, unload_seconds=0.2))
        await read(ask(engine, plain("X")))
        before = engine.pid
        await gone(engine)
        assert engine.info, "what is known of the model is still known"
        with caplog.at_level(logging.WARNING):
            assert (await read(ask(engine, plain("X")))).stats.stop == "length"
        assert engine.pid != before
        assert caplog.records == []

    async def test_no_request_is_lost_between_two_engines(self, open_engine: Open) -> None:
        """Requests at every moment of an engine's end."""
        engine = open_engine(lifetime=Lifetime(idle_seconds=0, unload_seconds=0.02))
        pids = set()
        for attempt in range(10):
            result = await read(ask(engine, plain("X" * (attempt + 1)), 1))
            assert result.stats.stop == "length"
            pids.add(engine.pid)
            await asyncio.sleep(0.018 + attempt % 5 / 1000)
        assert len(pids) > 1

    async def test_a_server_that_is_killed_takes_its_work_along_and_nothing_else(
        self, open_engine: Open, long_model: Path
    ) -> None:
        engine = open_engine(long_model, LONG)
        await engine.start()
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SERVER, str(long_model), "32768", "XYZ123 = 45\n" * 2600),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert server.stdout
        assert int(await server.stdout.readline()) == engine.pid
        server.kill()
        await server.wait()
        began = time.perf_counter()
        assert (await read(ask(engine, plain("X"), 1))).stats.stop == "length"
        assert time.perf_counter() - began < 0.5

    async def test_it_is_not_interrupted_with_its_starter(self, open_engine: Open) -> None:
        engine = open_engine()
        await engine.start()
        assert engine.pid
        assert os.getsid(engine.pid) == engine.pid
        os.kill(engine.pid, signal.SIGINT)
        assert (await read(ask(engine, plain("X")))).stats.stop == "length"


class TestStrangers:
    async def test_only_its_user_can_reach_it(self, open_engine: Open, tiny_model: Path) -> None:
        await open_engine().start()
        address = place_for(tiny_model, ONE_THREAD).address
        assert stat.S_IMODE(address.stat().st_mode) == 0o600
        assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700

    async def test_whatever_a_client_sends_harms_nobody_else(
        self, open_engine: Open, tiny_model: Path
    ) -> None:
        engine = open_engine()
        await engine.start()
        before = engine.pid
        address = place_for(tiny_model, ONE_THREAD).address

        @given(st.binary(max_size=200), st.booleans(), st.booleans())
        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        def send(noise: bytes, greets: bool, framed: bool) -> None:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(address))
                client.settimeout(5)
                prefix = messages.LENGTH.pack(len(noise)) if framed else b""
                client.sendall((messages.frame(HELLO) if greets else b"") + prefix + noise)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass

        await asyncio.to_thread(send)
        await asyncio.to_thread(send_and_hang_up, address, messages.LENGTH.pack(messages.MAX_FRAME_BYTES + 1))
        await asyncio.to_thread(send_and_hang_up, address, messages.LENGTH.pack(messages.MAX_FRAME_BYTES))
        wrong = messages.Generate(1, [], -5, [""], "", 99, float("nan"), -7, "x")
        await asyncio.to_thread(send_and_hang_up, address, messages.frame(HELLO) + messages.frame(wrong))
        assert (await read(ask(engine, plain("X")))).stats.stop == "length"
        assert engine.pid == before

    async def test_a_client_that_reads_nothing_does_not_hold_up_the_others(
        self, open_engine: Open, tiny_model: Path
    ) -> None:
        engine = open_engine()
        await engine.start()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(place_for(tiny_model, ONE_THREAD).address))
            much = messages.Generate(1, [["X"]], 4000, [], "", 1, 0.0)
            deaf.sendall(messages.frame(HELLO) + messages.frame(much))
            assert (await read(ask(engine, plain("X"), 1))).stats.stop == "length"

    async def test_a_server_of_another_version_is_turned_away(
        self, open_engine: Open, tiny_model: Path
    ) -> None:
        await open_engine().start()
        stranger = messages.Hello(messages.PROTOCOL + 1, "", AT_ONCE)
        address = place_for(tiny_model, ONE_THREAD).address
        assert await asyncio.to_thread(send_and_listen, address, messages.frame(stranger)) == b""
        assert await asyncio.to_thread(send_and_listen, address, messages.frame(HELLO)) != b""

    async def test_a_server_of_another_version_looks_elsewhere(
        self, open_engine: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, new = open_engine(), open_engine()
        await old.start()
        rendezvous._code.cache_clear()
        monkeypatch.setattr(rendezvous, "__version__", "99")
        await new.start()
        rendezvous._code.cache_clear()
        assert old.pid != new.pid


class TestPorts:
    """How servers meet where there are no Unix sockets."""

    @pytest.fixture(autouse=True)
    def _use_ports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rendezvous, "SUFFIX", endpoint.PORT)

    async def test_two_servers_have_one_engine(self, open_engine: Open, home: Path) -> None:
        one, other = open_engine(), open_engine()
        assert (await read(ask(one, plain("X")))).tokens == (await read(ask(other, plain("X")))).tokens
        assert one.pid == other.pid
        (address,) = home.glob("runtime_dir/mellum-lsp/*.port")
        assert stat.S_IMODE(address.stat().st_mode) == 0o600

    async def test_who_does_not_know_the_secret_is_turned_away(
        self, open_engine: Open, tiny_model: Path
    ) -> None:
        await open_engine().start()
        address = place_for(tiny_model, ONE_THREAD).address
        _, writer, secret = await endpoint.connect(address)
        port = writer.get_extra_info("peername")[1]
        writer.close()
        for said, welcome in ((secret, True), ("", False), (secret[:-1], False), ("é", False)):
            with socket.create_connection(("127.0.0.1", port)) as client:
                hello = messages.frame(messages.Hello(messages.PROTOCOL, said, AT_ONCE))
                answer = await asyncio.to_thread(exchange, client, hello)
            assert bool(answer) is welcome


SERVER = """
import asyncio, sys
from pathlib import Path
from mellum_lsp.domain import Part
from mellum_lsp.engine import shared
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings, Lifetime

async def main(model, context_tokens, prompt):
    settings = EngineSettings(threads=1, context_tokens=int(context_tokens))
    engine = LlamaEngine(Path(model), settings, launch=shared.join_or_start, lifetime=Lifetime(0.0))
    await engine.start()
    generation = engine.generate(GenerateRequest((Part("prefix", "a.py", (prompt,)),), 1))
    await asyncio.sleep(0.1)
    print(engine.pid, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await engine.close()

asyncio.run(main(*sys.argv[1:]))
"""


def engines_below(folder: Path) -> list[psutil.Process]:
    """The processes of engines that listen below ``folder``."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if "mellum_lsp.engine.child" in arguments and any(str(folder) in word for word in arguments):
            found.append(process)
    return found


async def gone(engine: LlamaEngine) -> None:
    """Wait until the engine has noticed that its process ended."""
    async with asyncio.timeout(10):
        while engine.pid:
            await asyncio.sleep(0.001)


def send_and_hang_up(address: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address))
        client.sendall(data)


def send_and_listen(address: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address))
        return exchange(client, data)


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.settimeout(5)
    client.sendall(data)
    return client.recv(65536)


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()
