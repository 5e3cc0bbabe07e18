"""Who types along a ghost sees its rest, as it is and at once."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.completion.ghosts import Ghosts
from mellum_lsp.completion.outcome import Item, Outcome, TokenCounts
from mellum_lsp.completion.prefetch import accepted
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.scripted import ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, Make, interactive

TEXT = "compute([1])"


def ghosts_at(marked: str, text: str = TEXT, replaced: int = 0) -> Ghosts:
    ghosts = Ghosts()
    ghosts.add(
        caret_in(marked), Outcome((Item("id", text, replaced, 0.9),), "", tokens=TokenCounts(prompt=9))
    )
    return ghosts


def rest(ghosts: Ghosts, marked: str) -> str:
    outcome = ghosts.rest_at(caret_in(marked))
    return outcome.text if outcome else ""


def test_typing_along_and_going_back() -> None:
    ghosts = ghosts_at("x = $0\ny")
    assert rest(ghosts, "x = comp$0\ny") == "ute([1])"
    assert rest(ghosts, "x = co$0\ny") == "mpute([1])"
    assert rest(ghosts, "x = $0\ny") == TEXT


@pytest.mark.parametrize(
    "marked",
    [
        "x = cons$0\ny",  # something else was typed
        "x = compute([1])$0\ny",  # nothing is left
        "x =$0\ny",  # before it
        "x = comp$0\nz",  # changed below
        "z = comp$0\ny",  # changed above
        "x = compute($0)\ny",  # with a bracket from the editor, which the rest must replace
    ],
)
def test_anything_else_is_for_the_rules(marked: str) -> None:
    assert rest(ghosts_at("x = $0\ny"), marked) == ""


def test_explicit_requests_and_other_documents_do_not_get_it() -> None:
    ghosts = ghosts_at("x = $0\ny")
    assert ghosts.rest_at(caret_in("x = comp$0\ny", trigger=Trigger.INVOKED)) is None
    assert ghosts.rest_at(caret_in("x = comp$0\ny", language="ruby")) is None


def test_the_newest_ghost_counts() -> None:
    ghosts = ghosts_at("x = $0\ny")
    ghosts.add(caret_in("x = $0\ny"), Outcome((Item("id", "compare(2)"),), ""))
    assert rest(ghosts, "x = comp$0\ny") == "are(2)"
    assert rest(ghosts, "x = compu$0\ny") == "te([1])"


@given(st.text("ab(\n) ", min_size=1), st.integers(0, 20), st.integers(0, 1))
def test_accepting_the_rest_leaves_what_accepting_the_ghost_would(
    text: str, typed: int, replaced: int
) -> None:
    marked = "f($0)\ny"
    typed = min(typed, len(text) - 1)
    caret = caret_in(marked.replace("$0", f"{text[:typed]}$0"))
    outcome = ghosts_at(marked, text, replaced).rest_at(caret)
    assert outcome
    whole = accepted(caret_in(marked), Item("id", text, replaced))
    assert accepted(caret, outcome.items[0]) == whole


class TestPipeline:
    async def test_it_takes_microseconds_in_a_long_document(self, make: Make) -> None:
        below = "".join(f"def function_{number}(x):\n    return [x, {number}]\n\n" for number in range(5000))
        engine = ScriptedEngine(lambda request: TEXT if request.max_tokens else "")
        completer = make(engine, prefetch=False)
        await completer.complete(caret_in(f"x = $0\n{below}"))
        times = []
        for typed in range(1, len(TEXT)):
            caret = caret_in(f"x = {TEXT[:typed]}$0\n{below}")
            begun = time.perf_counter()
            outcome = await completer.complete(caret)
            times.append(time.perf_counter() - begun)
            assert (outcome.text, outcome.source) == (TEXT[typed:], "cache")
        assert len(interactive(engine)) == 1
        assert sorted(times)[len(times) // 2] < 0.001, f"{max(times) * 1000:.2f} ms"

    async def test_each_rest_has_an_id_of_its_own(self, make: Make) -> None:
        completer = make(ScriptedEngine("return a + b"))
        outcomes = [await completer.complete(caret_in(BODY)) for _ in range(2)]
        assert outcomes[0].items[0].id != outcomes[1].items[0].id

    async def test_changed_settings_judge_anew(self, make: Make) -> None:
        completer = make(ScriptedEngine([("return a + b", 0.8)]))
        assert (await completer.complete(caret_in(BODY))).items
        completer.update_settings(CompletionSettings(gate=0.9))
        assert (await completer.complete(caret_in(BODY))).reason == "gated p=0.80"
