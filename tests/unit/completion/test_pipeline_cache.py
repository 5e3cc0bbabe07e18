"""Earlier generations answer for the model, also while the user types along."""

from __future__ import annotations

from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.scripted import ScriptedEngine

from .golden import caret_in
from .pipeline_lab import Make, interactive, text_before


class TestCache:
    async def test_an_entry_outlives_the_ghost_that_was_shown_of_it(self, make: Make) -> None:
        """Going back to before it, typing something else and then the same again."""
        text = "turn compute_the_sum_of(a, b)"
        engine = ScriptedEngine(lambda request: text if text_before(request).endswith("    re") else "")
        completer = make(engine)
        assert (await completer.complete(caret_in("def add(a, b):\n    re$0\n"))).text == text
        for other in range(12):
            await completer.complete(caret_in(f"def other{other}():\n    re$0\n"))
        asked = len(interactive(engine))
        outcome = await completer.complete(caret_in(f"def add(a, b):\n    re{text[:6]}$0\n"))
        assert (outcome.text, outcome.source) == (text[6:], "cache")
        assert len(interactive(engine)) == asked

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
