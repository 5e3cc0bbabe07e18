"""Which plan a request is answered with, and what is warmed beside it."""

from __future__ import annotations

import asyncio
import time

from mellum_lsp.completion.plans import LONGEST_UNREST_SECONDS, REST_SECONDS
from mellum_lsp.domain import Caret, Chunk, ScoredChunk, Trigger
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.engine.scripted import Pause, Script, ScriptedEngine
from mellum_lsp.retrieval.interface import NoContext

from .golden import caret_in
from .pipeline_lab import BODY, KnowsAChunk, Make, SlowContext, interactive, text_before, until


class RanksByPlace(NoContext):
    """Two chunks about as good as each other; which is the better one depends on where the caret is."""

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        is_above = caret.offset < len(caret.text) / 2
        ranked = ("above.py", "below.py") if is_above else ("below.py", "above.py")
        return [
            ScoredChunk(Chunk(path, 1, 1, f"{path[:5]} = 1\n"), score, "iou")
            for path, score in zip(ranked, (0.5, 0.45), strict=True)
        ]


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

    async def test_a_few_lines_away_the_micro_plan_answers_until_the_full_one_is_read_there(
        self, make: Make
    ) -> None:
        """Other lines stand below the caret then, and in front of the prefix: hundreds of tokens."""
        engine = ScriptedEngine(lambda request: "(a + b)" if request.max_tokens else "")
        completer = make(engine, KnowsAChunk())
        lines = [f"    line_{number} = print" for number in range(16)]

        def at(line: int, typed: str = "") -> Caret:
            here = [*lines[:line], f"{lines[line]}{typed}$0", *lines[line + 1 :]]
            return caret_in("def f():\n" + "\n".join(here) + "\n")

        async def knows_the_project(caret: Caret) -> bool:
            return bool((await completer.complete(caret)).chunks)

        await completer.warm(at(8))
        assert await knows_the_project(at(8, "_"))
        assert not await knows_the_project(at(5))
        read = len(engine.generations)
        await until(lambda: any(not g.request.max_tokens and g.ended for g in engine.generations[read:]))
        await asyncio.sleep(0)
        assert await knows_the_project(at(5, "_"))
        await completer.warm(at(3))  # the caret rests there
        assert await knows_the_project(at(3, "_"))

    async def test_warming_waits_for_requests(self, make: Make) -> None:
        more = asyncio.Event()
        engine = ScriptedEngine(lambda request: ["ret", Pause(more), "urn a"] if request.max_tokens else "")
        completer = make(engine)
        task = asyncio.create_task(completer.complete(caret_in(BODY)))
        await asyncio.sleep(0.05)
        assert all(generation.request.max_tokens for generation in engine.generations)
        more.set()
        await task
        await until(lambda: any(not generation.request.max_tokens for generation in engine.generations))

    async def test_warming_waits_for_a_pause_but_not_for_long(self, make: Make) -> None:
        engine = ScriptedEngine(lambda request: "return x" if request.max_tokens else "")
        completer = make(engine)
        warmed = 0
        begun = time.monotonic()
        for length in range(1, 60):
            await completer.complete(caret_in(BODY.replace("$0", "q" * length + "$0")))
            warmed = sum(not generation.request.max_tokens for generation in engine.generations)
            if warmed:
                break
            await asyncio.sleep(REST_SECONDS / 4)
        assert warmed
        assert LONGEST_UNREST_SECONDS < time.monotonic() - begun < 3 * LONGEST_UNREST_SECONDS

    async def test_a_plan_for_another_place_of_the_document_begins_with_the_same_context(
        self, make: Make
    ) -> None:
        """Context stands in front of everything: in another order it would cost the whole prompt."""
        engine = ScriptedEngine(lambda request: "" if not request.max_tokens else "return x")
        completer = make(engine, RanksByPlace())
        text = "".join(f"line_{number} = {number}\n" for number in range(60))
        for mark in ("line_10 = ", "line_40 = "):
            await completer.warm(caret_in(text.replace(mark, f"{mark}$0", 1)))
        first, second = (
            [part for part in one.request.parts if part.kind == "context"] for one in engine.generations
        )
        assert [part.path for part in first] == ["below.py", "above.py"]
        assert second == first

    async def test_who_jumps_while_a_plan_is_evaluated_has_the_one_for_the_new_place_warmed(
        self, make: Make
    ) -> None:
        engine = ScriptedEngine("", prefill=Pause(30.0))
        completer = make(engine)
        text = "".join(f"line_{number} = {number}\n" for number in range(400))
        here, there = (caret_in(text.replace(mark, f"{mark}$0", 1)) for mark in ("line_10 = ", "line_390 = "))
        first = asyncio.create_task(completer.warm(here))
        await until(lambda: engine.generations)
        engine.prefill = None
        await completer.warm(there)
        await first
        left, taken = engine.generations
        assert left.stats.stop == "aborted"
        assert "line_389" in text_before(taken.request)

    async def test_warm_loads_the_model_and_evaluates_in_the_background(self, make: Make) -> None:
        engine = ScriptedEngine("return a + b")
        await make(engine).warm(caret_in(BODY))
        (generation,) = engine.generations
        assert (generation.request.max_tokens, generation.request.priority) == (0, 0)
