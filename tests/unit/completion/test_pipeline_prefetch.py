"""What follows a shown item is generated before it is asked for, and never at anybody's expense."""

from __future__ import annotations

import asyncio

from mellum_lsp.completion.outcome import Item
from mellum_lsp.completion.prefetch import accepted
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.engine.scripted import Pause, Script, ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, Make, background, interactive, text_before, until

FIRST, SECOND = "total = a + b", "\n    return total"


def writes_a_body(request: GenerateRequest) -> Script:
    """A model that writes `FIRST`, then `SECOND`, wherever in them the caret stands; after that something."""
    if not request.max_tokens:
        return ""
    before = text_before(request)
    for text in (FIRST + SECOND, SECOND):
        for typed in range(len(text)):
            if before.endswith("b):\n    " + text[:typed]):
                return f"{text[typed:]}\nelse"
    return "\n\n\nx = 1"


async def prefetched(engine: ScriptedEngine, number: int = 1) -> None:
    await until(lambda: len(background(engine)) == number and background(engine)[-1].ended)
    await asyncio.sleep(0)


class TestAccepting:
    async def test_the_continuation_is_there_when_the_item_is_accepted(self, make: Make) -> None:
        engine = ScriptedEngine(writes_a_body)
        completer = make(engine, prefetch_delay_ms=0)
        assert (await completer.complete(caret_in(BODY))).text == FIRST
        await prefetched(engine)
        outcome = await completer.complete(caret_in(f"def add(a, b):\n    {FIRST}$0\n"))
        assert (outcome.text, outcome.source) == (SECOND, "prefetch")
        assert len(interactive(engine)) == 2

    async def test_it_is_judged_before_anybody_waits_for_it(self, make: Make) -> None:
        """So that the answer after Tab takes microseconds."""
        completer = make(ScriptedEngine(writes_a_body), prefetch_delay_ms=0)
        await completer.complete(caret_in(BODY))
        await prefetched(completer._engine)
        completer._cache.clear()
        outcome = await completer.complete(caret_in(f"def add(a, b):\n    {FIRST}$0\n"))
        assert (outcome.text, outcome.source) == (SECOND, "prefetch")
        assert outcome.timings.total_ms < 1.0

    async def test_and_when_the_user_types_on_where_it_ends(self, make: Make) -> None:
        """Enter, with the indentation that an editor adds."""
        engine = ScriptedEngine(writes_a_body)
        completer = make(engine, prefetch_delay_ms=0)
        await completer.complete(caret_in(BODY))
        await prefetched(engine)
        outcome = await completer.complete(caret_in(f"def add(a, b):\n    {FIRST}\n    $0\n"))
        assert (outcome.text, outcome.source) == ("return total", "prefetch")

    async def test_accepting_it_by_words_asks_the_model_nothing(self, make: Make) -> None:
        engine = ScriptedEngine(writes_a_body)
        completer = make(engine, prefetch_delay_ms=0)
        await completer.complete(caret_in(BODY))
        await prefetched(engine)
        sources = []
        for taken in ("total", "total =", "total = a", "total = a + b"):
            outcome = await completer.complete(caret_in(f"def add(a, b):\n    {taken}$0\n"))
            sources.append((outcome.text, outcome.source))
        assert sources == [
            (" = a + b", "cache"),
            (" a + b", "cache"),
            (" + b", "cache"),
            (SECOND, "prefetch"),
        ]

    async def test_one_that_is_still_running_is_joined(self, make: Make) -> None:
        more = asyncio.Event()

        def slowly(request: GenerateRequest) -> Script:
            said = str(writes_a_body(request))
            return said if request.priority else [Pause(more), said]

        engine = ScriptedEngine(slowly)
        completer = make(engine, prefetch_delay_ms=0)
        await completer.complete(caret_in(BODY))
        await until(lambda: background(engine))
        asking = asyncio.create_task(completer.complete(caret_in(f"def add(a, b):\n    {FIRST}$0\n")))
        await asyncio.sleep(0.01)
        more.set()
        outcome = await asking
        assert (outcome.text, outcome.source) == (SECOND, "stream")
        assert len(interactive(engine)) == 2

    async def test_one_that_the_engine_gave_up_is_asked_anew(self, make: Make) -> None:
        """Another editor's request interrupts background work, whoever waits for it by now."""
        engine = ScriptedEngine(lambda request: writes_a_body(request) if request.priority else [Pause(30.0)])
        completer = make(engine, prefetch_delay_ms=0)
        await completer.complete(caret_in(BODY))
        await until(lambda: background(engine))
        asking = asyncio.create_task(completer.complete(caret_in(f"def add(a, b):\n    {FIRST}$0\n")))
        await asyncio.sleep(0.01)
        background(engine)[0].abort()
        outcome = await asking
        assert (outcome.text, outcome.cached) == (SECOND, False)


class TestRestraint:
    async def test_it_ends_with_the_next_draft(self, make: Make) -> None:
        endless = FIRST + SECOND + "\n    x = f(1)" * 40
        engine = ScriptedEngine(lambda request: endless if request.priority else endless[len(FIRST) :])
        completer = make(engine, prefetch_delay_ms=0)
        await completer.complete(caret_in(BODY))
        await prefetched(engine)
        assert background(engine)[0].stats.generated_tokens < 10

    async def test_it_is_one_for_every_ghost_however_it_is_typed(self, make: Make) -> None:
        engine = ScriptedEngine(writes_a_body)
        completer = make(engine, prefetch_delay_ms=0)
        for typed in range(len(FIRST) - 1):
            await completer.complete(caret_in(f"def add(a, b):\n    {FIRST[:typed]}$0\n"))
            await prefetched(engine)
        assert len(background(engine)) == 1

    async def test_it_gives_way_to_a_request(self, make: Make) -> None:
        engine = ScriptedEngine(lambda request: writes_a_body(request) if request.priority else [Pause(30.0)])
        completer = make(engine, prefetch_delay_ms=0)
        await completer.complete(caret_in(BODY))
        await until(lambda: background(engine))
        await completer.complete(caret_in("class A:\n    $0\n"))
        assert background(engine)[0].aborted

    async def test_whoever_types_on_at_once_costs_nothing(self, make: Make) -> None:
        engine = ScriptedEngine(writes_a_body)
        completer = make(engine, prefetch_delay_ms=40)
        await completer.complete(caret_in(BODY))
        await completer.complete(caret_in("def add(a, b):\n    raise$0\n"))
        await asyncio.sleep(0.06)
        assert not background(engine)

    async def test_nothing_follows_a_silence(self, make: Make) -> None:
        engine = ScriptedEngine([("foo", 0.2)])
        await make(engine, prefetch_delay_ms=0).complete(caret_in("x = $0"))
        await asyncio.sleep(0.01)
        assert not background(engine)

    async def test_nor_what_only_an_explicit_request_shows(self, make: Make) -> None:
        engine = ScriptedEngine([("compute(1)", 0.2)])
        outcome = await make(engine, prefetch_delay_ms=0).complete(
            caret_in("x = $0", trigger=Trigger.INVOKED)
        )
        await asyncio.sleep(0.01)
        assert outcome.items
        assert not background(engine)

    async def test_nor_a_dismissed_item(self, make: Make) -> None:
        engine = ScriptedEngine(writes_a_body)
        completer = make(engine, prefetch_delay_ms=20)
        outcome = await completer.complete(caret_in(BODY))
        completer.dismissed(outcome.items[0].id)
        await asyncio.sleep(0.04)
        assert not background(engine)

    async def test_it_can_be_switched_off(self, make: Make) -> None:
        engine = ScriptedEngine(writes_a_body)
        await make(engine, prefetch=False, prefetch_delay_ms=0).complete(caret_in(BODY))
        await asyncio.sleep(0.01)
        assert not background(engine)


def test_accepting_replaces_the_closers_that_the_item_holds_again() -> None:
    caret = caret_in("print($0)\ny")
    after = accepted(caret, Item("id", "a, b)", replace_after=1))
    assert (after.text, after.prefix) == ("print(a, b)\ny", "print(a, b)")
