"""What becomes of every failure, of a model that loads, and of what the settings refuse."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mellum_lsp.completion.outcome import Outcome
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.interface import EngineCrashed, EngineError, GenerateRequest, ModelMissing
from mellum_lsp.engine.scripted import Pause, Script, ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, BrokenContext, Make, SlowContext, interactive, until


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


def test_an_outcome_has_either_items_or_a_reason() -> None:
    with pytest.raises(ValueError, match="either"):
        Outcome((), "")
