"""The engine as a server uses it: a process that is started, interrupted, killed and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from asking import LONG, LONG_PROMPT, ONE_THREAD, ask, decode, fim, make_decoder, plain, read
from tiny_gguf import write_tiny_gguf

from mellum_lsp.engine import messages
from mellum_lsp.engine.interface import (
    EngineCrashed,
    EngineError,
    ModelBroken,
    ModelMissing,
    ModelUnsupported,
    Priority,
    RequestInvalid,
)
from mellum_lsp.engine.llama import LlamaEngine

MakeEngine = Callable[..., LlamaEngine]


class TestServing:
    async def test_it_answers_as_a_decoder_in_this_process(
        self, engine: LlamaEngine, tiny_model: Path
    ) -> None:
        result = await read(ask(engine, fim("XYZ123 = ")))
        expected = decode(make_decoder(tiny_model), fim("XYZ123 = "))
        assert result.tokens == expected.tokens
        assert result.stats.stop == "length"
        assert result.stats.part_tokens == expected.stats.part_tokens

    async def test_it_starts_by_itself_and_says_what_it_serves(self, engine: LlamaEngine) -> None:
        assert (engine.info, engine.pid) == (None, None)
        await read(ask(engine, plain("x")))
        info = engine.info
        assert info and (info.name, info.architecture, info.context_tokens) == ("tiny", "llama", 4096)
        assert "<fim_middle>" in info.markers
        assert info.metadata["tokenizer.ggml.model"] == "gpt2"
        assert info.prefill_tokens_per_second > 0 < info.decode_tokens_per_second

    async def test_what_concerns_the_prompt_is_told_in_front_of_the_first_token(
        self, engine: LlamaEngine
    ) -> None:
        generation = ask(engine, fim("XYZ123 = "), 400)
        await anext(aiter(generation))
        early = generation.stats
        assert (early.stop, early.generated_tokens) == ("", 0)
        final = (await read(generation)).stats
        for name in ("prompt_tokens", "reused_tokens", "evaluated_tokens", "part_tokens", "prefill_ms"):
            assert getattr(early, name) == getattr(final, name) != 0 or name == "reused_tokens"
        assert early.queued_ms == final.queued_ms

    async def test_it_is_called_what_the_user_calls_it(self, tiny_model: Path) -> None:
        engine = LlamaEngine(tiny_model, name="mine")
        try:
            assert (await engine.start()).name == "mine"
        finally:
            await engine.close()

    async def test_concurrent_starts_share_one_load_and_its_progress(self, engine: LlamaEngine) -> None:
        fractions: list[list[float]] = [[], []]
        infos = await asyncio.gather(*(engine.start(seen.append) for seen in fractions), engine.start())
        assert infos[0] is infos[1] is infos[2]
        for seen in fractions:
            assert seen == sorted(seen)
            assert seen[-1] == 1.0

    async def test_a_caller_that_gives_up_does_not_stop_the_others(self, engine: LlamaEngine) -> None:
        impatient = asyncio.create_task(engine.start())
        patient = asyncio.create_task(engine.start())
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).name == "tiny"

    async def test_requests_in_a_row_are_all_answered(self, engine: LlamaEngine) -> None:
        prompts = [plain("X" * n) for n in range(1, 30)]
        results = await asyncio.gather(*(read(ask(engine, prompt, 2)) for prompt in prompts))
        assert [result.stats.prompt_tokens for result in results] == list(range(1, 30))

    async def test_an_invalid_request_fails_alone(self, engine: LlamaEngine) -> None:
        with pytest.raises(RequestInvalid, match="5,000 tokens"):
            await read(ask(engine, plain("X" * 5000)))
        assert (await read(ask(engine, plain("X")))).stats.stop == "length"

    async def test_a_stream_that_has_ended_ends_again(self, engine: LlamaEngine) -> None:
        generation = ask(engine, plain("X"), 2)
        assert len((await read(generation)).tokens) == 2
        assert (await read(generation)).tokens == []

    async def test_lone_surrogates_are_replaced(self, engine: LlamaEngine) -> None:
        assert (await read(ask(engine, plain("a\ud800b")))).stats.prompt_tokens == 3

    async def test_speeds_are_kept_fresh(self, engine: LlamaEngine) -> None:
        before = await engine.start()
        await read(ask(engine, plain("X" * 1000), 20))
        assert engine.info != before


class TestCounting:
    async def test_it_counts_texts_by_themselves(self, engine: LlamaEngine) -> None:
        assert await engine.count_tokens(["", "X", "XYZ", "<fim_middle>", "X"]) == [0, 1, 3, 12, 1]

    async def test_lone_surrogates_are_counted_as_what_replaces_them(self, engine: LlamaEngine) -> None:
        assert await engine.count_tokens(["a\ud800b"]) == [3]

    async def test_known_texts_need_no_engine(self, engine: LlamaEngine) -> None:
        await engine.count_tokens(["XYZ"])
        await engine.close()
        assert await engine.count_tokens(["XYZ", "XYZ"]) == [3, 3]

    async def test_it_counts_while_a_generation_runs(self, make_engine: MakeEngine, long_model: Path) -> None:
        engine = make_engine(long_model, LONG)
        await engine.start()
        generation = ask(engine, LONG_PROMPT)
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        assert await engine.count_tokens(["XYZ"]) == [3]
        assert time.perf_counter() - began < 0.5
        assert not generation.ended
        generation.abort()


class TestAbort:
    async def test_it_stops_inside_prefill_and_harms_nothing(
        self, make_engine: MakeEngine, long_model: Path
    ) -> None:
        engine = make_engine(long_model, LONG)
        await engine.start()
        generation = ask(engine, LONG_PROMPT)
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        generation.abort()
        aborted = await read(generation)
        assert time.perf_counter() - began < 0.5
        assert (aborted.stats.stop, aborted.tokens) == ("aborted", [])
        assert 0 < aborted.stats.evaluated_tokens < aborted.stats.prompt_tokens

        shorter = plain(LONG_PROMPT[0].text[: aborted.stats.evaluated_tokens + 100])
        after = await read(ask(engine, shorter, 12))
        assert after.stats.reused_tokens == aborted.stats.evaluated_tokens, "what was evaluated is kept"
        fresh = await read(ask(make_engine(long_model, LONG), shorter, 12))
        assert after.ids == fresh.ids

    async def test_it_stops_while_decoding(self, engine: LlamaEngine) -> None:
        generation = ask(engine, plain("X"), 4000)
        tokens = []
        async for token in generation:
            tokens.append(token)
            if len(tokens) == 5:
                generation.abort()
        assert generation.stats.stop == "aborted"
        assert 5 <= generation.stats.generated_tokens == len(tokens) < 4000

    async def test_one_that_waits_never_starts(self, make_engine: MakeEngine, long_model: Path) -> None:
        engine = make_engine(long_model, LONG)
        await engine.start()
        running, waiting = ask(engine, LONG_PROMPT), ask(engine, plain("X"))
        waiting.abort()
        result = await read(waiting)
        assert (result.stats.stop, result.stats.evaluated_tokens) == ("aborted", 0)
        assert not running.ended
        running.abort()

    async def test_one_that_waits_for_the_engine_never_starts(self, engine: LlamaEngine) -> None:
        generation = ask(engine, plain("X"))
        generation.abort()
        assert (await read(generation)).stats.stop == "aborted"

    async def test_after_the_end_it_does_nothing(self, engine: LlamaEngine) -> None:
        generation = ask(engine, plain("X"), 2)
        await read(generation)
        generation.abort()
        assert generation.stats.stop == "length"
        assert (await read(ask(engine, plain("X"), 2))).stats.stop == "length"

    async def test_an_interactive_request_ends_background_work_at_once(
        self, make_engine: MakeEngine, long_model: Path
    ) -> None:
        engine = make_engine(long_model, LONG)
        await engine.start()
        background = ask(engine, LONG_PROMPT, 0, document="b", priority=Priority.BACKGROUND)
        await asyncio.sleep(0.1)
        began = time.perf_counter()
        answer = await read(ask(engine, plain("X"), 1, document="i"))
        assert time.perf_counter() - began < 0.5
        assert answer.stats.stop == "length"
        assert (await read(background)).stats.stop == "aborted"


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
            [sys.executable, "-c", SERVER, str(long_model)],
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


async def test_a_large_log_is_moved_aside(make_engine: MakeEngine, tiny_model: Path, tmp_path: Path) -> None:
    log_file = tmp_path / "engine.log"
    log_file.write_bytes(b"x" * 3_000_000)
    await make_engine(tiny_model, ONE_THREAD, log_file).start()
    assert (tmp_path / "engine.log.1").stat().st_size == 3_000_000
    assert 0 < log_file.stat().st_size < 100_000


SERVER = """
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


async def gone(engine: LlamaEngine) -> None:
    """Wait until the engine has noticed that its process ended."""
    while engine.pid:
        await asyncio.sleep(0.001)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[str]:
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True)
    return [line for line in found.stdout.splitlines() if "mellum_lsp.engine.child" in line]


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()
