"""How a completion came about."""

from __future__ import annotations

import pytest

from mellum_lsp.engine.interface import EngineCrashed, RequestInvalid
from mellum_lsp.engine.scripted import ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, KnowsAChunk, Make, interactive


class TestExplain:
    async def test_every_field_is_filled(self, make: Make) -> None:
        engine = ScriptedEngine([("return", 0.9), (" total_of(a)", 0.9), (" +", 0.5), (" b", 0.9)])
        explanation = await make(engine, KnowsAChunk()).explain(caret_in(BODY))
        assert explanation.prompt.endswith("<fim_prefix>def add(a, b):\n    <fim_middle>")
        assert [part.kind for part in explanation.parts] == ["context", "file", "suffix", "prefix", "middle"]
        assert sum(part.tokens for part in explanation.parts) == explanation.tokens.prompt
        assert [scored.chunk.path for scored in explanation.chunks] == ["util.py"]
        assert [(step.rule, step.after) for step in explanation.steps] == [
            ("stop: statement", "return total_of(a) +"),
            ("gate", "return total_of(a)"),
        ]
        assert explanation.gate.probability == pytest.approx(0.81)
        assert explanation.gate.threshold == 0.7
        assert (explanation.text, explanation.reason) == ("return total_of(a)", "")
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


class TestWordAtTheCaret:
    """It is left out of the prompt, and the answer is held to begin with it."""

    WORD = "def add(a, b):\n    retu$0\n"

    async def test_the_prompt_is_told_as_it_was_evaluated(self, make: Make) -> None:
        engine = ScriptedEngine("rn a + b")
        explanation = await make(engine).explain(caret_in(self.WORD))
        assert explanation.prompt.endswith("<fim_prefix>def add(a, b):\n   <fim_middle>")
        assert explanation.text == "rn a + b"
        assert interactive(engine)[0].request.must_begin_with == " retu"

    async def test_an_engine_that_cannot_spell_it_is_shown_it_as_it_was_typed(self, make: Make) -> None:
        engine = ScriptedEngine(
            lambda request: [RequestInvalid("no token")] if request.must_begin_with else "rn a + b"
        )
        explanation = await make(engine).explain(caret_in(self.WORD))
        assert explanation.text == "rn a + b"
        assert explanation.prompt.endswith("    retu<fim_middle>")
        assert [one.request.must_begin_with for one in interactive(engine)] == [" retu", ""]
