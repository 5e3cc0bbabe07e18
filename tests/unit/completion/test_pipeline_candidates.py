"""Asked explicitly, the server offers several items, the best first."""

from __future__ import annotations

import asyncio

from mellum_lsp.domain import Trigger
from mellum_lsp.engine.interface import EngineCrashed, GenerateRequest
from mellum_lsp.engine.scripted import Pause, Script, ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, Make, interactive, until

ASKED = caret_in(BODY, trigger=Trigger.INVOKED)
SAID: dict[int, Script] = {
    0: [("return a + b", 0.6)],
    1: [("raise ValueError(a)", 0.1)],
    2: [("print(a, b)", 0.2)],
}


def says(request: GenerateRequest) -> Script:
    return SAID[request.first_token_rank] if request.max_tokens else ""


async def test_three_items_the_greedy_one_first_then_by_probability(make: Make) -> None:
    outcome = await make(ScriptedEngine(says)).complete(ASKED)
    assert [item.text for item in outcome.items] == ["return a + b", "print(a, b)", "raise ValueError(a)"]
    assert [round(item.confidence, 2) for item in outcome.items] == [0.6, 0.2, 0.1]
    assert outcome.confidence == outcome.items[0].confidence
    assert len({item.id for item in outcome.items}) == 3


async def test_an_automatic_request_gets_one(make: Make) -> None:
    engine = ScriptedEngine(says)
    outcome = await make(engine, gate=0.5).complete(caret_in(BODY))
    assert len(outcome.items) == 1
    assert all(generation.request.first_token_rank == 0 for generation in engine.generations)


async def test_the_same_text_is_offered_once(make: Make) -> None:
    said = {0: "return a + b", 1: "return  a + b", 2: "print(a, b)"}
    engine = ScriptedEngine(lambda request: said[request.first_token_rank])
    outcome = await make(engine).complete(ASKED)
    assert [item.text for item in outcome.items] == ["return a + b", "print(a, b)"]


async def test_the_best_is_offered_whatever_it_is_but_no_second_one_that_would_break_the_code(
    make: Make,
) -> None:
    said = {0: "return )", 1: "'", 2: "if a b:"}
    engine = ScriptedEngine(lambda request: said[request.first_token_rank])
    outcome = await make(engine).complete(ASKED)
    assert [item.text for item in outcome.items] == ["return"]


async def test_where_the_best_is_refused_second_thoughts_are_offered(make: Make) -> None:
    asked = caret_in("first()\n$0\nlast = 1\n", trigger=Trigger.INVOKED)
    said: dict[int, Script] = {0: "last = 1", 1: [("second()", 0.1)], 2: [("third()", 0.2)]}
    engine = ScriptedEngine(lambda request: said[request.first_token_rank])
    completer = make(engine)
    outcome = await completer.complete(asked)
    assert [item.text for item in outcome.items] == ["third()", "second()"]
    assert (outcome.reason, round(outcome.confidence, 2)) == ("", 0.2)
    assert (await completer.explain(asked)).reason == "duplicates suffix"


async def test_an_empty_first_thought_is_an_answer(make: Make) -> None:
    said = {0: "", 1: "second()", 2: "third()"}
    engine = ScriptedEngine(lambda request: said[request.first_token_rank])
    outcome = await make(engine).complete(ASKED)
    assert (outcome.items, outcome.reason) == ((), "empty")


async def test_slow_candidates_are_left_out_and_their_work_ends(make: Make) -> None:
    engine = ScriptedEngine(
        lambda request: [Pause(30.0), "late"] if request.first_token_rank == 2 else says(request)
    )
    outcome = await make(engine, candidates_deadline_ms=30).complete(ASKED)
    assert [item.text for item in outcome.items] == ["return a + b", "raise ValueError(a)"]
    await until(lambda: all(generation.ended for generation in interactive(engine)))


async def test_a_failing_candidate_costs_only_itself(make: Make) -> None:
    engine = ScriptedEngine(
        lambda request: [EngineCrashed("gone")] if request.first_token_rank == 1 else says(request)
    )
    outcome = await make(engine).complete(ASKED)
    assert [item.text for item in outcome.items] == ["return a + b", "print(a, b)"]


async def test_typing_along_any_of_them_needs_no_model(make: Make) -> None:
    """However unsure the model is of it: the user has chosen."""
    engine = ScriptedEngine(says)
    completer = make(engine, gate=0.9)
    await completer.complete(ASKED)
    asked = len(interactive(engine))
    outcome = await completer.complete(caret_in("def add(a, b):\n    pri$0\n"))
    assert (outcome.text, outcome.cached, round(outcome.confidence, 2)) == ("nt(a, b)", True, 0.2)
    assert len(interactive(engine)) == asked


async def test_asking_again_gives_the_same_without_the_model(make: Make) -> None:
    engine = ScriptedEngine(says)
    completer = make(engine)
    first = await completer.complete(ASKED)
    asked = len(interactive(engine))
    again = await completer.complete(ASKED)
    assert [item.text for item in again.items] == [item.text for item in first.items]
    assert len(interactive(engine)) == asked


async def test_one_that_was_cut_off_is_completed_when_asked_again(make: Make) -> None:
    more = asyncio.Event()
    engine = ScriptedEngine(
        lambda request: ["print(", Pause(more), "a, b)"] if request.first_token_rank == 2 else says(request)
    )
    completer = make(engine, candidates_deadline_ms=30)
    first = await completer.complete(ASKED)
    more.set()
    again = await completer.complete(ASKED)
    assert [item.text for item in first.items] == ["return a + b", "raise ValueError(a)"]
    assert {item.text for item in again.items} == {"return a + b", "raise ValueError(a)", "print(a, b)"}


async def test_a_withdrawn_request_frees_the_engine(make: Make) -> None:
    engine = ScriptedEngine(lambda request: [Pause(30.0)] if request.first_token_rank else says(request))
    task = asyncio.create_task(make(engine, candidates_deadline_ms=10_000).complete(ASKED))
    await until(lambda: len(interactive(engine)) == 3)
    task.cancel()
    await until(lambda: all(generation.ended for generation in interactive(engine)))
