"""Earlier generations answer for the model, also while the user types along."""

from __future__ import annotations

import time

from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.scripted import ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, Make, interactive, text_before


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
