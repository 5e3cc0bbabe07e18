"""An engine that crashes, cannot load its model, or ends: it is told, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest
from asking import LONG, LONG_PROMPT, ONE_THREAD, MakeEngine, ask, plain, read
from processes import children_of, gone, is_alive, wait_until
from tiny_gguf import write_tiny_gguf

from mellum_lsp.engine import messages
from mellum_lsp.engine.interface import (
    EngineCrashed,
    EngineError,
    ModelBroken,
    ModelMissing,
    ModelUnsupported,
)
from mellum_lsp.engine.link import Link
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.watchdog import Watchdog

BUSY_SERVER = """
import asyncio, sys
from pathlib import Path
from asking import LONG, LONG_PROMPT, ask
from mellum_lsp.engine.llama import LlamaEngine

async def main():
    engine = LlamaEngine(Path(sys.argv[1]), LONG)
    await engine.start()
    generation = ask(engine, LONG_PROMPT)
    await asyncio.sleep(0.05)
    print(engine.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


class TestCrash:
    async def test_a_killed_engine_fails_what_runs_and_serves_the_next(
        self, make_engine: MakeEngine, long_model: Path, tmp_path: Path
    ) -> None:
        log_file = tmp_path / "logs" / "engine.log"
        engine = make_engine(long_model, LONG, log_file)
        await engine.start()
        generation = ask(engine, LONG_PROMPT)
        await asyncio.sleep(0.1)
        killed = engine.pid
        assert killed
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(EngineCrashed, match=rf"SIGKILL.*{log_file}\nhint: "):
            await read(generation)
        assert engine.pid is None
        assert (await read(ask(engine, plain("X")))).stats.stop == "length"
        assert engine.pid not in (None, killed)
        assert "serving" in log_file.read_text()

    async def test_what_it_had_not_begun_is_served_by_the_next(
        self, make_engine: MakeEngine, long_model: Path
    ) -> None:
        engine = make_engine(long_model, LONG)
        await engine.start()
        running, waiting, unwanted = (
            ask(engine, LONG_PROMPT),
            ask(engine, plain("X")),
            ask(engine, plain("Y")),
        )
        await asyncio.sleep(0.1)
        assert engine.pid
        os.kill(engine.pid, signal.SIGKILL)
        unwanted.abort()
        late = ask(engine, plain("Z"))
        counting = engine.count_tokens(["XYZ"])
        with pytest.raises(EngineCrashed):
            await read(running)
        assert (await read(unwanted)).stats.stop == "aborted"
        assert (await read(waiting)).stats.stop == "length"
        assert (await read(late)).stats.stop == "length"
        assert await counting == [3]

    async def test_an_engine_that_is_killed_over_and_over_is_back_at_once(self, engine: LlamaEngine) -> None:
        for _ in range(5):
            assert (await read(ask(engine, plain("X"), 2))).stats.stop == "length"
            assert engine.pid
            os.kill(engine.pid, signal.SIGKILL)
            await gone(engine)

    async def test_crashes_while_loading_are_reported_and_not_repeated_for_ever(
        self, engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        for _ in range(3):
            with pytest.raises(EngineCrashed, match=r"while loading .*exit code 1"):
                await engine.start()
        with pytest.raises(EngineCrashed, match="keeps ending"):
            await read(ask(engine, plain("X")))

    async def test_an_engine_that_talks_nonsense_is_ended(
        self, engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/echo")
        with pytest.raises(EngineError, match=r"out of step|while loading"):
            await engine.start()

    async def test_an_engine_of_another_version_is_not_waited_for(
        self, engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The package may be replaced under a running server."""
        program = tmp_path / "python"
        monkeypatch.setattr(sys, "executable", str(program))
        for said in (messages.frame(messages.Welcome(messages.PROTOCOL + 1, 1)), b"\0\0\0\x01\xc0"):
            octal = "".join(f"\\{byte:03o}" for byte in said)
            program.write_text(f"#!/bin/sh\nprintf '{octal}'\ncat\n")
            program.chmod(0o700)
            with pytest.raises(EngineError, match="restart the editor"):
                await read(ask(engine, plain("X")))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no SIGSTOP here")
class TestHanging:
    """A stopped process neither answers nor ends, as one that is stuck in native code."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mellum_lsp.engine.watchdog.SILENCE_SECONDS", 0.2)

    async def test_it_is_ended_and_what_it_had_not_begun_is_served_by_the_next(
        self, engine: LlamaEngine
    ) -> None:
        await engine.start()
        hung = engine.pid
        assert hung
        os.kill(hung, signal.SIGSTOP)
        async with asyncio.timeout(20):
            assert (await read(ask(engine, plain("X"), 2))).stats.stop == "length"
        assert engine.pid not in (None, hung)
        assert wait_until(lambda: not is_alive(hung))

    @pytest.mark.parametrize("answers", [True, False])
    async def test_a_sign_of_life_is_enough(self, answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """An engine's readers give it while a long prompt is evaluated and nothing else is said."""
        monkeypatch.setattr("mellum_lsp.engine.watchdog.SILENCE_SECONDS", 0.001)
        link = SilentLink(answers)
        watchdog = Watchdog()
        watchdog.watch(cast("Link", link), lambda: link.asked < 5 and not link.ended)
        async with asyncio.timeout(5):
            while link.asked < 5 and not link.ended:
                await asyncio.sleep(0.001)
        assert link.ended is not answers


class SilentLink:
    """A link to an engine that says nothing of itself."""

    pid = 0

    def __init__(self, answers: bool) -> None:
        self._answers = answers
        self.heard = self.asked = 0
        self.ended = False

    def send(self, message: messages.Count) -> None:
        self.asked += 1
        self.heard += self._answers

    async def end(self) -> None:
        self.ended = True


class TestModelErrors:
    async def test_a_missing_file(self, make_engine: MakeEngine, tmp_path: Path) -> None:
        with pytest.raises(ModelMissing, match="no such model file"):
            await make_engine(tmp_path / "none.gguf").start()

    async def test_a_truncated_file_is_not_read_again_until_it_is_replaced(
        self, make_engine: MakeEngine, tiny_model: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "model.gguf"
        path.write_bytes(tiny_model.read_bytes()[:-5000])
        engine = make_engine(path)
        with pytest.raises(ModelBroken, match="truncated"):
            await engine.start()
        began = time.perf_counter()
        for _ in range(5):
            with pytest.raises(ModelBroken, match="truncated"):
                await read(ask(engine, plain("X")))
        assert time.perf_counter() - began < 0.5
        path.write_bytes(tiny_model.read_bytes())
        assert (await read(ask(engine, plain("X")))).stats.stop == "length"

    async def test_an_architecture_that_llama_cpp_does_not_know(
        self, make_engine: MakeEngine, tmp_path: Path
    ) -> None:
        path = write_tiny_gguf(tmp_path / "m.gguf", architecture="novel")
        with pytest.raises(ModelUnsupported, match=r"unknown model architecture: 'novel'\nhint: "):
            await make_engine(path).start()

    async def test_a_header_that_promises_what_the_tensors_do_not_keep(
        self, make_engine: MakeEngine, tiny_model: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "m.gguf"
        path.write_bytes(tiny_model.read_bytes().replace(b"output_norm.weight", b"output_n0rm.weight"))
        with pytest.raises(ModelBroken, match=r"llama.cpp could not load .*output_norm.*\nhint: "):
            await make_engine(path).start()


class TestEnding:
    async def test_close_leaves_no_process(self, make_engine: MakeEngine, long_model: Path) -> None:
        engine = make_engine(long_model, LONG)
        await engine.start()
        pid = engine.pid
        assert pid
        generation = ask(engine, LONG_PROMPT)
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        await engine.close()
        assert time.perf_counter() - began < 0.5
        assert not is_alive(pid)
        assert engine.pid is None
        assert (await read(generation)).stats.stop == "aborted"

    async def test_close_while_loading(self, engine: LlamaEngine) -> None:
        starting = asyncio.create_task(engine.start())
        generation = ask(engine, plain("X"))
        await asyncio.sleep(0.05)
        await engine.close()
        with pytest.raises(EngineError, match="closed"):
            await starting
        assert (await read(generation)).stats.stop == "aborted"
        assert children_of(os.getpid()) == []

    async def test_a_closed_engine_says_so(self, engine: LlamaEngine) -> None:
        await engine.close()
        with pytest.raises(EngineError, match="closed"):
            await read(ask(engine, plain("X")))

    def test_it_ends_with_a_server_that_is_killed_even_while_it_works(self, long_model: Path) -> None:
        server = subprocess.Popen(
            [sys.executable, "-c", BUSY_SERVER, str(long_model)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
        )
        assert server.stdout
        pid = int(server.stdout.readline())
        assert is_alive(pid)
        server.kill()
        server.wait()
        server.stdout.close()
        assert wait_until(lambda: not is_alive(pid))

    async def test_it_ignores_the_interrupt_of_a_terminal(self, engine: LlamaEngine) -> None:
        await engine.start()
        assert engine.pid
        os.kill(engine.pid, signal.SIGINT)
        pid = engine.pid
        assert (await read(ask(engine, plain("X")))).stats.stop == "length"
        assert engine.pid == pid


def test_whatever_is_printed_goes_to_the_log_and_not_between_the_frames() -> None:
    program = (
        "import os\n"
        "from mellum_lsp.engine.child import take_over_stdio\n"
        "source, sink = take_over_stdio()\n"
        "print('noise', flush=True)\n"
        "os.system('echo native noise; cat')\n"
        "sink.write(source.read())\n"
    )
    result = subprocess.run([sys.executable, "-c", program], input=b"frame", capture_output=True, check=True)
    assert result.stdout == b"frame"
    assert result.stderr == b"noise\nnative noise\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
async def test_a_full_disk_costs_the_log_alone(make_engine: MakeEngine, tiny_model: Path) -> None:
    engine = make_engine(tiny_model, ONE_THREAD, Path("/dev/full"))
    assert (await read(ask(engine, plain("X"), 2))).stats.stop == "length"


async def test_a_large_log_is_moved_aside(make_engine: MakeEngine, tiny_model: Path, tmp_path: Path) -> None:
    log_file = tmp_path / "engine.log"
    log_file.write_bytes(b"x" * 3_000_000)
    await make_engine(tiny_model, ONE_THREAD, log_file).start()
    assert (tmp_path / "engine.log.1").stat().st_size == 3_000_000
    assert 0 < log_file.stat().st_size < 100_000
