"""Requests that share, join, supersede and outlive generations; and what becomes of every failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import pytest_asyncio

from mellum_lsp.completion.outcome import Outcome
from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret, Chunk, ScoredChunk, Trigger
from mellum_lsp.engine.interface import EngineCrashed, EngineError, GenerateRequest, ModelMissing
from mellum_lsp.engine.scripted import Pause, Script, ScriptedEngine, ScriptedGeneration

from .golden import caret_in
from .no_context import NoContext

BODY = "def add(a, b):\n    $0\n"

Make = Callable[..., Completer]


@pytest_asyncio.fixture
async def make() -> AsyncIterator[Make]:
    """Makes completers, and ends them with the test."""
    made: list[Completer] = []

    def new(engine: ScriptedEngine, context: Any = None, on_error: Any = None, **settings: Any) -> Completer:
        settings = {"gate": 0.7, **settings}
        completer = Completer(engine, context or NoContext(), CompletionSettings(**settings), on_error)
        made.append(completer)
        return completer

    yield new
    for completer in made:
        await completer.close()


def interactive(engine: ScriptedEngine) -> list[ScriptedGeneration]:
    """The generations that somebody asked for; the others only warm a plan."""
    return [generation for generation in engine.generations if generation.request.max_tokens]


async def until(condition: Callable[[], Any], seconds: float = 2.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.001)


class TestSharing:
    async def test_two_requests_for_one_caret_share_one_generation(self, make: Make) -> None:
        """Editors ask by inlineCompletion and completion at once."""
        engine = ScriptedEngine("return a + b", prefill=Pause(0.01))
        completer = make(engine)
        first, second = await asyncio.gather(
            completer.complete(caret_in(BODY)), completer.complete(caret_in(BODY))
        )
        assert first.text == second.text == "return a + b"
        assert len(interactive(engine)) == 1

    async def test_every_item_has_an_id_of_its_own(self, make: Make) -> None:
        completer = make(ScriptedEngine("return a + b"))
        first = await completer.complete(caret_in(BODY))
        second = await completer.complete(caret_in(BODY))
        assert first.items[0].id != second.items[0].id

    async def test_a_live_stream_is_joined_where_it_continues_what_was_typed(self, make: Make) -> None:
        more = asyncio.Event()
        engine = ScriptedEngine(["return", " a", Pause(more), " + b"])
        completer = make(engine)
        first = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine) and interactive(engine)[0].stats.generated_tokens == 2)
        second = asyncio.create_task(completer.complete(caret_in("def add(a, b):\n    ret$0\n")))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0.02)
        more.set()
        assert (await second).text == "urn a + b"
        assert len(interactive(engine)) == 1

    async def test_a_stream_that_has_not_begun_is_joined_too(self, make: Make) -> None:
        """Cutting a long prefill at every keystroke would lose its work each time."""
        engine = ScriptedEngine("return a + b", prefill=Pause(0.02))
        completer = make(engine)
        first = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine))
        second = await completer.complete(caret_in("def add(a, b):\n    re$0\n"))
        assert second.text == "turn a + b"
        assert (await first).text == "return a + b"
        assert len(interactive(engine)) == 1

    async def test_a_stream_that_says_otherwise_is_left(self, make: Make) -> None:
        engine = ScriptedEngine(
            lambda request: "raise Error" if "rai" in text_before(request) else ["return", Pause(5.0), " a"]
        )
        completer = make(engine)
        first = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine) and interactive(engine)[0].stats.generated_tokens)
        first.cancel()
        second = await completer.complete(caret_in("def add(a, b):\n    rai$0\n"))
        assert second.text == "raise Error"
        assert interactive(engine)[0].aborted

    async def test_a_stream_that_turns_away_while_waited_for_is_left(self, make: Make) -> None:
        """At the time of joining nothing was generated yet, so nothing spoke against it."""
        go = asyncio.Event()
        scripts = iter([[Pause(go), "raise Error"], ["turn a + b"]])
        engine = ScriptedEngine(lambda request: next(scripts))
        completer = make(engine)
        first = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine))
        second = asyncio.create_task(completer.complete(caret_in("def add(a, b):\n    re$0\n")))
        await asyncio.sleep(0.005)
        first.cancel()
        go.set()
        assert (await second).text == "turn a + b"

    async def test_edits_elsewhere_are_not_taken_for_typing(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b")
        completer = make(engine)
        await completer.complete(caret_in(BODY))
        await completer.complete(caret_in("def sub(a, b):\n    $0\n"))
        assert len(interactive(engine)) == 2

    async def test_documents_do_not_share(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b")
        completer = make(engine)
        await completer.complete(caret_in(BODY))
        other = caret_in(BODY)
        await completer.complete(Caret("other.py", "python", other.text, other.offset, document="other"))
        assert len(interactive(engine)) == 2


class TestWithdrawing:
    async def test_the_engine_is_freed_when_nobody_waits(self, make: Make) -> None:
        engine = ScriptedEngine(["return", Pause(30.0), " a"])
        task = asyncio.create_task(make(engine).complete(caret_in(BODY)))
        await until(lambda: interactive(engine) and interactive(engine)[0].stats.generated_tokens)
        task.cancel()
        began = time.monotonic()
        await until(lambda: interactive(engine)[0].aborted)
        assert time.monotonic() - began < 0.1
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_also_inside_prefill(self, make: Make) -> None:
        engine = ScriptedEngine("return a", prefill=Pause(30.0))
        task = asyncio.create_task(make(engine).complete(caret_in(BODY)))
        await until(lambda: interactive(engine))
        task.cancel()
        await until(lambda: interactive(engine)[0].aborted and interactive(engine)[0].ended)

    async def test_not_while_another_still_waits(self, make: Make) -> None:
        more = asyncio.Event()
        engine = ScriptedEngine(["return", Pause(more), " a + b"])
        completer = make(engine)
        leaving = asyncio.create_task(completer.complete(caret_in(BODY)))
        staying = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine) and interactive(engine)[0].stats.generated_tokens)
        leaving.cancel()
        await asyncio.sleep(0.05)
        more.set()
        assert (await staying).text == "return a + b"

    async def test_a_request_that_comes_at_once_still_finds_the_stream(self, make: Make) -> None:
        """Clients cancel the old request first and send the next one a moment later."""
        more = asyncio.Event()
        engine = ScriptedEngine(["return", Pause(more), " a + b"])
        completer = make(engine)
        old = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine) and interactive(engine)[0].stats.generated_tokens)
        old.cancel()
        await asyncio.sleep(0.001)
        new = asyncio.create_task(completer.complete(caret_in("def add(a, b):\n    r$0\n")))
        await asyncio.sleep(0.05)
        more.set()
        assert (await new).text == "eturn a + b"
        assert len(interactive(engine)) == 1

    async def test_while_it_is_still_planned(self, make: Make) -> None:
        engine = ScriptedEngine("return a", prefill_tokens_per_second=1e6)
        task = asyncio.create_task(make(engine, SlowContext(0.05)).complete(caret_in(BODY)))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.1)
        assert not interactive(engine)


class TestTail:
    async def test_what_comes_after_the_stop_goes_into_the_cache(self, make: Make) -> None:
        engine = ScriptedEngine("total = a + b\n    return total\n")
        completer = make(engine, tail_tokens=50)
        assert (await completer.complete(caret_in(BODY))).text == "total = a + b"
        await until(lambda: interactive(engine)[0].ended)
        accepted = await completer.complete(caret_in("def add(a, b):\n    total = a + b$0\n"))
        assert (accepted.text, accepted.cached) == ("\n    return total", True)

    async def test_it_is_bounded(self, make: Make) -> None:
        engine = ScriptedEngine("total = a + b\n" + "    x = f(1, 2, 3)\n" * 30)
        completer = make(engine, tail_tokens=8)
        await completer.complete(caret_in(BODY))
        await until(lambda: interactive(engine)[0].ended)
        assert interactive(engine)[0].stats.generated_tokens < 20

    async def test_it_gives_way_to_a_new_request(self, make: Make) -> None:
        engine = ScriptedEngine(lambda request: ["x = 12345\n", Pause(30.0), "more"])
        completer = make(engine)
        await completer.complete(caret_in(BODY))
        await asyncio.sleep(0.02)
        await completer.complete(caret_in("class A:\n    $0\n"))
        assert interactive(engine)[0].aborted

    async def test_nothing_is_decoded_after_a_rejected_draft(self, make: Make) -> None:
        engine = ScriptedEngine(["abc", "\n", "more = 1\n", Pause(30.0)])
        outcome = await make(engine).complete(caret_in("x = $0\n"))
        assert outcome.reason == "too short"
        assert interactive(engine)[0].aborted


class TestCache:
    async def test_typing_along_needs_no_engine_and_takes_under_a_millisecond(self, make: Make) -> None:
        text = "return compute_the_sum_of(a, b)"
        engine = ScriptedEngine(text)
        completer = make(engine)
        await completer.complete(caret_in(BODY))
        times = []
        for typed in range(1, len(text) - 1):
            caret = caret_in(f"def add(a, b):\n    {text[:typed]}$0\n")
            began = time.perf_counter()
            outcome = await completer.complete(caret)
            times.append(time.perf_counter() - began)
            assert (outcome.text, outcome.cached) == (text[typed:], True)
        assert len(interactive(engine)) == 1
        assert min(times) < 0.001, f"{min(times) * 1000:.2f} ms"

    async def test_invoked_is_not_answered_by_a_generation_that_the_gate_cut(self, make: Make) -> None:
        engine = ScriptedEngine([("foo(", 0.9), ("bar", 0.2), (")", 0.9)])
        completer = make(engine)
        silent = await completer.complete(caret_in("x = $0"))
        invoked = await completer.complete(caret_in("x = $0", trigger=Trigger.INVOKED))
        assert (silent.text, invoked.text) == ("", "foo(bar)")

    async def test_automatic_is_answered_by_one_that_was_invoked(self, make: Make) -> None:
        engine = ScriptedEngine("compute(1)")
        completer = make(engine)
        await completer.complete(caret_in("x = $0", trigger=Trigger.INVOKED))
        assert (await completer.complete(caret_in("x = $0"))).cached

    async def test_where_the_rest_shows_nothing_the_model_is_asked_anew(self, make: Make) -> None:
        scripts = {"x = ": [("foo(", 0.9), ("bar", 0.2)], "x = foo(b": "az, qux)"}
        engine = ScriptedEngine(lambda request: scripts[text_before(request)])
        completer = make(engine)
        await completer.complete(caret_in("x = $0"))
        assert (await completer.complete(caret_in("x = foo(b$0"))).text == "az, qux)"

    async def test_a_lower_gate_counts_at_once(self, make: Make) -> None:
        engine = ScriptedEngine([("compute", 0.5), ("(1)", 0.9)])
        completer = make(engine)
        assert (await completer.complete(caret_in("x = $0"))).reason.startswith("gated")
        completer.update_settings(CompletionSettings(gate=0.3))
        assert (await completer.complete(caret_in("x = $0"))).text == "compute(1)"


class TestFailures:
    async def test_a_crash_in_mid_stream_becomes_a_reason_and_the_next_request_works(
        self, make: Make
    ) -> None:
        scripts: list[Script] = [
            ["return", EngineCrashed("the engine's process ended\nhint: look")],
            "return a",
        ]
        engine = ScriptedEngine(lambda request: scripts.pop(0) if len(scripts) > 1 else scripts[0])
        told: list[EngineError] = []
        completer = make(engine, on_error=told.append)
        outcome = await completer.complete(caret_in(BODY))
        assert outcome.reason == "engine failed: the engine's process ended"
        assert [str(error) for error in told] == ["the engine's process ended\nhint: look"]
        assert (await completer.complete(caret_in(BODY))).text == "return a"

    async def test_everyone_who_waits_hears_of_it_and_the_user_once(self, make: Make) -> None:
        engine = ScriptedEngine([EngineCrashed("gone")], prefill=Pause(0.01))
        told: list[EngineError] = []
        completer = make(engine, on_error=told.append)
        outcomes = await asyncio.gather(*(completer.complete(caret_in(BODY)) for _ in range(3)))
        outcomes.append(await completer.complete(caret_in(BODY)))
        assert {outcome.reason for outcome in outcomes} == {"engine failed: gone"}
        assert len(told) == 1

    async def test_a_model_that_is_missing(self, make: Make) -> None:
        engine = ScriptedEngine(load=ModelMissing("no such file: m.gguf\nhint: pull it"))
        outcome = await make(engine).complete(caret_in(BODY))
        assert outcome.reason == "engine failed: no such file: m.gguf"

    async def test_broken_context_costs_only_the_context(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b")
        outcome = await make(engine, BrokenContext()).complete(caret_in(BODY, trigger=Trigger.INVOKED))
        assert outcome.text == "return a + b"

    async def test_a_bug_becomes_a_reason(self, make: Make) -> None:
        def broken(request: GenerateRequest) -> Script:
            raise ZeroDivisionError

        outcome = await make(ScriptedEngine(broken)).complete(caret_in(BODY))
        assert outcome.reason == "internal error"

    async def test_closing_answers_who_still_waits(self, make: Make) -> None:
        engine = ScriptedEngine(["return", Pause(30.0)])
        completer = make(engine)
        task = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine))
        await completer.close()
        assert (await task).reason == "shutting down"
        assert (await completer.complete(caret_in(BODY))).reason == "shutting down"

    async def test_closing_leaves_nothing_running(self, make: Make) -> None:
        engine = ScriptedEngine(["return", Pause(30.0)], prefill=Pause(0.01))
        completer = make(engine, SlowContext(0.02))
        requests = [
            asyncio.ensure_future(request)
            for request in (
                completer.complete(caret_in(BODY)),
                completer.explain(caret_in(BODY)),
                completer.warm(caret_in("x = $0")),
            )
        ]
        await asyncio.sleep(0.05)
        await completer.close()
        await asyncio.gather(*requests, return_exceptions=True)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert all(generation.ended for generation in engine.generations)


class TestLoading:
    async def test_automatic_waits_only_a_little(self, make: Make) -> None:
        loaded = asyncio.Event()
        engine = ScriptedEngine("return a + b", load=Pause(loaded))
        completer = make(engine, loading_patience_ms=10)
        assert (await completer.complete(caret_in(BODY))).reason == "model loading"
        loaded.set()
        await until(lambda: engine.info)
        assert (await completer.complete(caret_in(BODY))).text == "return a + b"
        assert engine.starts == 1

    async def test_invoked_waits(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b", load=Pause(0.05))
        completer = make(engine, loading_patience_ms=1)
        outcome = await completer.complete(caret_in(BODY, trigger=Trigger.INVOKED))
        assert outcome.text == "return a + b"

    async def test_a_withdrawn_request_does_not_end_the_loading(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b", load=Pause(0.05))
        completer = make(engine)
        task = asyncio.create_task(completer.complete(caret_in(BODY)))
        await asyncio.sleep(0.01)
        task.cancel()
        await until(lambda: engine.info)


class TestRefusing:
    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"enabled": False}, "disabled"),
            ({"languages": ("*", "-python")}, "disabled language: python"),
            ({"languages": ("rust",)}, "disabled language: python"),
        ],
    )
    async def test_what_the_settings_exclude(self, make: Make, settings: Any, reason: str) -> None:
        engine = ScriptedEngine("return a + b")
        assert (await make(engine, **settings).complete(caret_in(BODY))).reason == reason
        assert not engine.starts

    async def test_mid_word_without_asking_the_model(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b")
        assert (await make(engine).complete(caret_in("x = f$0oo"))).reason == "mid-word"
        assert not engine.generations


class TestPlans:
    async def test_the_first_answer_has_the_micro_plan_and_later_ones_the_context(self, make: Make) -> None:
        engine = ScriptedEngine(lambda request: "return a + b" if request.max_tokens else "")
        completer = make(engine, KnowsAChunk())
        first = await completer.complete(caret_in(BODY))
        await until(lambda: any(not g.request.max_tokens and g.ended for g in engine.generations))
        await asyncio.sleep(0)
        later = await completer.complete(caret_in("def add(a, b):\n    $0\n\n"))
        assert (first.chunks, [scored.chunk.path for scored in later.chunks]) == ((), ["util.py"])
        assert later.tokens.reused > 10

    async def test_silence_for_want_of_context_does_not_outlive_it(self, make: Make) -> None:
        """Whoever deletes a character and types it again gets an answer once the project is known."""

        def sure_with_context(request: GenerateRequest) -> Script:
            knows = any(part.kind == "context" for part in request.parts)
            return [("return a + b", 0.9 if knows else 0.1)] if request.max_tokens else ""

        engine = ScriptedEngine(sure_with_context)
        completer = make(engine, KnowsAChunk())
        first = await completer.complete(caret_in(BODY))
        await until(lambda: any(not g.request.max_tokens and g.ended for g in engine.generations))
        await asyncio.sleep(0)
        again = await completer.complete(caret_in(BODY))
        third = await completer.complete(caret_in(BODY))
        assert (first.text, again.text) == ("", "return a + b")
        assert third.cached

    async def test_invoked_gets_the_context_at_once(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b")
        outcome = await make(engine, KnowsAChunk()).complete(caret_in(BODY, trigger=Trigger.INVOKED))
        assert [scored.chunk.path for scored in outcome.chunks] == ["util.py"]

    async def test_a_plan_counts_as_warm_once_a_request_evaluated_it(self, make: Make) -> None:
        """Also where its generation was cut off as soon as the statement was complete."""
        engine = ScriptedEngine(["total = 1\n", "    return total\n" * 9, Pause(30.0)])
        completer = make(engine, KnowsAChunk())
        await completer.explain(caret_in(BODY))
        assert interactive(engine)[0].aborted
        outcome = await completer.complete(caret_in(BODY))
        assert [scored.chunk.path for scored in outcome.chunks] == ["util.py"]

    async def test_a_fast_machine_has_only_the_full_plan(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b", prefill_tokens_per_second=1e6)
        outcome = await make(engine, KnowsAChunk()).complete(caret_in(BODY))
        assert [scored.chunk.path for scored in outcome.chunks] == ["util.py"]

    async def test_late_context_is_not_waited_for_but_taken_up_later(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b", prefill_tokens_per_second=1e6)
        context = SlowContext(0.1)
        completer = make(engine, context, retrieval_deadline_ms=5)
        first = await completer.complete(caret_in(BODY))
        assert first.timings.total_ms < 90
        await until(lambda: any(g.ended and not g.request.max_tokens for g in engine.generations))
        later = await completer.complete(caret_in("def add(a, b):\n    $0\n\n"))
        assert (len(first.chunks), len(later.chunks)) == (0, 1)

    async def test_a_typed_character_costs_hardly_any_tokens(self, make: Make) -> None:
        engine = ScriptedEngine(lambda request: "nothing that fits" if request.max_tokens else "")
        completer = make(engine, KnowsAChunk())
        await completer.warm(caret_in(BODY))
        for typed in ("x", "xy", "xyz", "xyz("):
            closer = ")" if typed.endswith("(") else ""
            outcome = await completer.complete(caret_in(f"def add(a, b):\n    {typed}$0{closer}\n"))
            assert outcome.tokens.evaluated < 6

    async def test_warming_waits_for_requests(self, make: Make) -> None:
        more = asyncio.Event()
        engine = ScriptedEngine(lambda request: ["ret", Pause(more), "urn a"] if request.max_tokens else "")
        completer = make(engine)
        task = asyncio.create_task(completer.complete(caret_in(BODY)))
        await asyncio.sleep(0.05)
        assert all(generation.request.max_tokens for generation in engine.generations)
        more.set()
        await task
        await until(lambda: len(engine.generations) == 2)

    async def test_warm_loads_the_model_and_evaluates_in_the_background(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b")
        await make(engine).warm(caret_in(BODY))
        (generation,) = engine.generations
        assert (generation.request.max_tokens, generation.request.priority) == (0, 0)


class TestExplain:
    async def test_every_field_is_filled(self, make: Make) -> None:
        engine = ScriptedEngine([("return", 0.9), (" a", 0.9), (" +", 0.5), (" b", 0.9)])
        explanation = await make(engine, KnowsAChunk()).explain(caret_in(BODY))
        assert explanation.prompt.endswith("<fim_prefix>def add(a, b):\n    <fim_middle>")
        assert [part.kind for part in explanation.parts] == ["context", "file", "suffix", "prefix", "middle"]
        assert sum(part.tokens for part in explanation.parts) == explanation.tokens.prompt
        assert [scored.chunk.path for scored in explanation.chunks] == ["util.py"]
        assert [(step.rule, step.after) for step in explanation.steps] == [
            ("stop: statement", "return a +"),
            ("gate", "return a"),
        ]
        assert explanation.gate.probability == pytest.approx(0.81)
        assert explanation.gate.threshold == 0.7
        assert (explanation.text, explanation.reason) == ("return a", "")
        assert explanation.model == "scripted"

    async def test_it_generates_now_and_never_from_the_cache(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b")
        completer = make(engine)
        await completer.complete(caret_in(BODY))
        await completer.explain(caret_in(BODY))
        assert len(interactive(engine)) == 2

    async def test_silence_is_explained_with_the_rule_that_wanted_it(self, make: Make) -> None:
        explanation = await make(ScriptedEngine("foo")).explain(caret_in("x = $0"))
        assert (explanation.text, explanation.reason) == ("", "too short")
        assert explanation.steps[-1].rule == "MinimumWorth"
        assert explanation.prompt

    async def test_failures_are_explained(self, make: Make) -> None:
        explanation = await make(ScriptedEngine([EngineCrashed("gone")])).explain(caret_in(BODY))
        assert explanation.reason == "engine failed: gone"


class KnowsAChunk:
    def query(self, caret: Caret, limit: int = 24) -> Sequence[ScoredChunk]:
        chunk = Chunk("util.py", 1, 2, "def helper(a):\n    return a\n")
        return [ScoredChunk(chunk, 0.5, "iou")]


class SlowContext(KnowsAChunk):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def query(self, caret: Caret, limit: int = 24) -> Sequence[ScoredChunk]:
        time.sleep(self.seconds)
        return super().query(caret, limit)


class BrokenContext:
    def query(self, caret: Caret, limit: int = 24) -> Sequence[ScoredChunk]:
        raise RuntimeError("no index")


def text_before(request: GenerateRequest) -> str:
    """The text in front of the caret, as the prompt holds it."""
    return "".join(part.text for part in request.parts if part.kind == "prefix").removeprefix("<fim_prefix>")


def test_an_outcome_has_either_items_or_a_reason() -> None:
    with pytest.raises(ValueError, match="either"):
        Outcome((), "")
