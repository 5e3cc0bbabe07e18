"""A shared engine that is killed, left by one server after the other, unused, never left behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from asking import LONG, LONG_PROMPT, ONE_THREAD, OpenEngine, ask, plain, read
from processes import SERVER, engines_below, gone, wait_until

from mellum_lsp.engine import endpoint, shared
from mellum_lsp.engine.interface import EngineCrashed, EngineError
from mellum_lsp.engine.rendezvous import place_for
from mellum_lsp.engine.settings import Lifetime


class TestCrash:
    async def test_servers_of_a_killed_engine_go_on_with_a_new_one(
        self, open_engine: OpenEngine, long_model: Path, home: Path
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

    async def test_whoever_started_it_knows_how_it_ended(self, open_engine: OpenEngine) -> None:
        engine = open_engine()
        await engine.start()
        generation = ask(engine, plain("X"), 4000)
        await anext(aiter(generation))
        assert engine.pid
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineCrashed, match="SIGKILL"):
            await read(generation)

    async def test_an_engine_killed_over_and_over_is_back_at_once(self, open_engine: OpenEngine) -> None:
        one, other = open_engine(), open_engine()
        for _ in range(4):
            for engine in (one, other):
                assert (await read(ask(engine, plain("X"), 2))).stats.stop == "length"
            assert one.pid == other.pid is not None
            os.kill(one.pid, signal.SIGKILL)
            await gone(one)
            await gone(other)

    async def test_what_a_killed_engine_left_is_in_nobodys_way(
        self, open_engine: OpenEngine, tiny_model: Path
    ) -> None:
        place = place_for(tiny_model, ONE_THREAD)
        place.lock.touch()
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(place.address))
        assert (await open_engine().start()).name == "tiny"

    async def test_a_process_that_holds_the_place_and_does_not_answer_is_reported(
        self, open_engine: OpenEngine, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
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
        self, open_engine: OpenEngine, home: Path
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
        self, open_engine: OpenEngine, caplog: pytest.LogCaptureFixture
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

    async def test_no_request_is_lost_between_two_engines(self, open_engine: OpenEngine) -> None:
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
        self, open_engine: OpenEngine, long_model: Path
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

    async def test_it_is_not_interrupted_with_its_starter(self, open_engine: OpenEngine) -> None:
        engine = open_engine()
        await engine.start()
        assert engine.pid
        assert os.getsid(engine.pid) == engine.pid
        os.kill(engine.pid, signal.SIGINT)
        assert (await read(ask(engine, plain("X")))).stats.stop == "length"
