"""The engine as a server uses it: a process that is started, asked and interrupted."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from asking import LONG, LONG_PROMPT, MakeEngine, ask, decode, fim, make_decoder, plain, read

from mellum_lsp.engine.interface import Priority, RequestInvalid
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings


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


async def test_more_threads_than_cores_are_not_used(make_engine: MakeEngine, tiny_model: Path) -> None:
    """A setting with a zero too many would end the process in native code."""
    engine = make_engine(tiny_model, EngineSettings(threads=1_000_000_000))
    assert (await read(ask(engine, plain("X"), 2))).stats.stop == "length"
