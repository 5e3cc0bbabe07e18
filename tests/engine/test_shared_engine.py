"""One engine for many servers: found or started by whoever comes, and shared by all."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from asking import LONG, LONG_PROMPT, OpenEngine, ask, fim, plain, read
from processes import SERVER, engines_below, wait_until

from mellum_lsp.engine import messages
from mellum_lsp.engine.interface import EngineCrashed, ModelBroken, Priority
from mellum_lsp.engine.settings import EngineSettings


class TestSharing:
    async def test_two_servers_have_one_engine_that_lives_as_long_as_the_last(
        self, open_engine: OpenEngine, home: Path
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
        self, open_engine: OpenEngine, home: Path
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
        self, open_engine: OpenEngine
    ) -> None:
        context = "def add(a, b):\n" * 20
        first = await read(ask(open_engine(), fim("x = ", context=context), document="a.py"))
        second = await read(ask(open_engine(), fim("y = ", context=context), document="a.py"))
        assert first.stats.reused_tokens == 0
        assert second.stats.evaluated_tokens < 10 < first.stats.evaluated_tokens

    async def test_documents_of_one_name_are_not_taken_for_each_other(self, open_engine: OpenEngine) -> None:
        one, other = open_engine(), open_engine()
        await read(ask(one, plain("X" * 500), document="a.py"))
        await read(ask(other, plain("Y" * 500), document="a.py"))
        again = await read(ask(one, plain("X" * 501), document="a.py"))
        assert again.stats.evaluated_tokens <= 2

    async def test_nobody_aborts_what_another_asked(self, open_engine: OpenEngine, long_model: Path) -> None:
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

    async def test_other_settings_mean_another_engine(self, open_engine: OpenEngine) -> None:
        one, other = open_engine(), open_engine(settings=EngineSettings(threads=1, context_tokens=512))
        assert (await one.start()).context_tokens == 4096
        assert (await other.start()).context_tokens == 512
        assert one.pid != other.pid

    async def test_a_user_request_ends_the_background_work_of_another_server(
        self, open_engine: OpenEngine, long_model: Path
    ) -> None:
        one, other = open_engine(long_model, LONG), open_engine(long_model, LONG)
        await asyncio.gather(one.start(), other.start())
        background = ask(one, LONG_PROMPT, 0, priority=Priority.BACKGROUND)
        await asyncio.sleep(0.1)
        assert (await read(ask(other, plain("X"), 1))).stats.queued_ms < 100
        assert (await read(background)).stats.stop == "aborted"


class TestLoading:
    async def test_every_waiting_server_hears_of_the_progress(self, open_engine: OpenEngine) -> None:
        heard: list[list[float]] = [[], [], []]
        engines = [open_engine() for _ in heard]
        starts = (one.start(hears.append) for one, hears in zip(engines, heard, strict=True))
        await asyncio.gather(*starts)
        for fractions in heard:
            assert fractions == sorted(fractions)

    async def test_a_model_that_cannot_be_served_is_explained_to_every_server(
        self, open_engine: OpenEngine, home: Path, tiny_model: Path
    ) -> None:
        broken = home / "broken.gguf"
        broken.write_bytes(tiny_model.read_bytes()[:-5000])
        engines = [open_engine(broken) for _ in range(3)]
        errors = await asyncio.gather(*(engine.start() for engine in engines), return_exceptions=True)
        assert [type(error) for error in errors] == [ModelBroken] * 3
        assert all("truncated" in str(error) for error in errors)

    async def test_an_engine_that_cannot_start_is_reported_and_not_tried_for_ever(
        self, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        engine = open_engine()
        for _ in range(3):
            with pytest.raises(EngineCrashed, match=r"while loading .*exit code 1"):
                await engine.start()
        with pytest.raises(EngineCrashed, match="keeps ending"):
            await read(ask(engine, plain("X")))
