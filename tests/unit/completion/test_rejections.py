"""What a user has dismissed is not offered again at once."""

from __future__ import annotations

import pytest
from clock import Clock

from mellum_lsp.completion.rejections import HIDDEN_SECONDS, Rejections, is_contained
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.scripted import ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, Make

DRAFT = "return a + b"


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def memory(clock: Clock) -> Rejections:
    """A memory in which `DRAFT` was dismissed in the body of ``add``."""
    memory = Rejections(clock)
    memory.offered("id", caret_in(BODY), DRAFT)
    memory.dismiss("id")
    return memory


def test_the_same_draft_is_hidden_where_it_was_dismissed(memory: Rejections) -> None:
    assert memory.hides(caret_in(BODY), DRAFT)
    assert not memory.hides(caret_in(BODY), "raise NotImplementedError")


def test_also_after_typing_a_part_of_it_or_going_back(memory: Rejections) -> None:
    assert memory.hides(caret_in("def add(a, b):\n    ret$0\n"), "urn a + b")
    assert memory.hides(caret_in("def add(a, b):\n  $0\n"), "  return a + b")


def test_not_behind_something_else(memory: Rejections) -> None:
    """Whoever typed another beginning has not refused the end."""
    assert not memory.hides(caret_in("def add(a, b):\n    total = $0\n"), "a + b")
    assert not memory.hides(caret_in("def add(a, b):\n  $0\n"), "return a + b")


def test_not_in_other_places_and_documents(memory: Rejections) -> None:
    assert not memory.hides(caret_in("def add(a, b):\n    c = 1\n    $0\n"), DRAFT)
    assert not memory.hides(caret_in("def sub(a, b):\n    $0\n"), DRAFT)
    assert not memory.hides(caret_in(BODY, language="ruby"), DRAFT)


def test_what_was_dismissed_at_the_beginning_may_come_elsewhere(clock: Clock) -> None:
    memory = Rejections(clock)
    memory.offered("id", caret_in("$0"), "import os")
    memory.dismiss("id")
    assert memory.hides(caret_in("$0"), "import os")
    assert not memory.hides(caret_in("x = 1\n$0"), "import os")


def test_half_a_minute_later_it_may_come_again(memory: Rejections, clock: Clock) -> None:
    clock.now += HIDDEN_SECONDS - 1
    assert memory.hides(caret_in(BODY), DRAFT)
    clock.now += 2
    assert not memory.hides(caret_in(BODY), DRAFT)


def test_what_was_never_offered_cannot_be_dismissed(clock: Clock) -> None:
    memory = Rejections(clock)
    memory.dismiss("unknown")
    assert not memory.hides(caret_in(BODY), DRAFT)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("return compute(a, b, c)", True),
        ("return compute(a, b)", True),  # a part of it
        ("return compute(a, b, d)", True),  # nearly all of its words
        ("return compute(a, b, c) + rest(d, e, f)", False),  # says more
        ("raise ValueError(a)", False),
        ("c", True),
    ],
)
def test_contained(text: str, hidden: bool) -> None:
    assert is_contained(text, "return compute(a, b, c)") is hidden


class TestPipeline:
    async def test_a_dismissed_item_is_not_shown_again_and_the_reason_is_told(self, make: Make) -> None:
        completer = make(ScriptedEngine(DRAFT))
        shown = await completer.complete(caret_in(BODY))
        completer.dismissed(shown.items[0].id)
        for text in (BODY, "def add(a, b):\n    r$0\n"):
            outcome = await completer.complete(caret_in(text))
            assert (outcome.items, outcome.reason) == ((), "dismissed before")

    async def test_asked_explicitly_it_is(self, make: Make) -> None:
        completer = make(ScriptedEngine(DRAFT))
        shown = await completer.complete(caret_in(BODY))
        completer.dismissed(shown.items[0].id)
        assert (await completer.complete(caret_in(BODY, trigger=Trigger.INVOKED))).text == DRAFT

    async def test_explain_tells_of_it(self, make: Make) -> None:
        completer = make(ScriptedEngine(DRAFT))
        shown = await completer.complete(caret_in(BODY))
        completer.dismissed(shown.items[0].id)
        explanation = await completer.explain(caret_in(BODY))
        assert (explanation.text, explanation.reason) == ("", "dismissed before")
        assert explanation.steps[-1].rule == "dismissed before"
