"""Requests that share, join and leave generations."""

from __future__ import annotations

import asyncio
import time

import pytest

from mellum_lsp.domain import Caret
from mellum_lsp.engine.scripted import Pause, ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, HeldContext, Make, interactive, text_before, until


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
            lambda request: "se Error" if "rai" in text_before(request) else ["return", Pause(5.0), " a"]
        )
        completer = make(engine)
        first = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine) and interactive(engine)[0].stats.generated_tokens)
        first.cancel()
        second = await completer.complete(caret_in("def add(a, b):\n    rai$0\n"))
        assert second.text == "se Error"
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

    async def test_a_request_that_comes_at_once_still_finds_the_stream(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Clients cancel the old request first and send the next one a moment later."""
        monkeypatch.setattr("mellum_lsp.completion.flights._LINGER_SECONDS", 0.2)
        more = asyncio.Event()
        engine = ScriptedEngine(["return", Pause(more), " a + b"])
        completer = make(engine)
        old = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(lambda: interactive(engine) and interactive(engine)[0].stats.generated_tokens)
        old.cancel()
        await asyncio.sleep(0.001)
        new = asyncio.create_task(completer.complete(caret_in("def add(a, b):\n    r$0\n")))
        await asyncio.sleep(0.25)
        more.set()
        assert (await new).text == "eturn a + b"
        assert len(interactive(engine)) == 1

    async def test_while_it_is_still_planned(self, make: Make) -> None:
        engine = ScriptedEngine("return a", prefill_tokens_per_second=1e6)
        context = HeldContext()
        completer = make(engine, context, retrieval_deadline_ms=10_000)
        task = asyncio.create_task(completer.complete(caret_in(BODY)))
        await until(context.asked.is_set)
        task.cancel()
        await until(lambda: all(task.get_name() != "completion" for task in asyncio.all_tasks()))
        context.answer.set()
        assert not interactive(engine)

    async def test_nothing_is_decoded_once_the_draft_is_complete(self, make: Make) -> None:
        engine = ScriptedEngine(["total = a + b\n", "    return total\n", Pause(30.0)])
        outcome = await make(engine, prefetch=False).complete(caret_in(BODY))
        assert outcome.text == "total = a + b"
        assert interactive(engine)[0].aborted

    async def test_nor_after_a_rejected_draft(self, make: Make) -> None:
        engine = ScriptedEngine(["abc", "\n", "more = 1\n", Pause(30.0)])
        outcome = await make(engine).complete(caret_in("x = $0\n"))
        assert outcome.reason == "too short"
        assert interactive(engine)[0].aborted
