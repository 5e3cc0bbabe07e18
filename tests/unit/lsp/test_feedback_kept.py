"""What is looked at later: whether accepted text was kept, and how much was typed by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mellum_lsp.completion.outcome import Item, Outcome, Timings
from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.feedback.inference import Ghost
from mellum_lsp.lsp.feedback import Feedback

URI = "file:///a.py"
TEXT = "return left + right"


class Lab:
    """Feedback over one document, with a clock that a test moves."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.document: str | None = "def add(left, right):\n    "
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.feedback = Feedback(self.events.append)
        self.feedback.text_of = lambda uri: self.document if uri == URI else None
        self.feedback.later = lambda seconds, call: self.later.append((seconds, call))
        outcome = Outcome((Item("s1", TEXT, 0),), "", "nano-135m", Timings())
        assert self.document is not None
        self.feedback.offered(URI, "python", outcome, Ghost("s1", TEXT, 26, 0, self.document))

    def accept(self) -> None:
        self.document = f"{self.document}{TEXT}\n"
        self.feedback.happened(Kind.ACCEPTED, "s1")

    def wait(self, seconds: float) -> None:
        for at, call in list(self.later):
            if at <= seconds:
                self.later.remove((at, call))
                call()

    def kept(self) -> list[tuple[Kind, int, int]]:
        return [(e.kind, e.characters, e.of_characters) for e in self.events if e.of_characters]


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_accepted_text_is_looked_at_after_half_a_minute_and_after_five(lab: Lab) -> None:
    lab.accept()
    lab.wait(30)
    assert lab.kept() == [(Kind.KEPT_30_S, 16, 16)]
    lab.document = "def add(left, right):\n    pass\n"
    lab.wait(300)
    assert lab.kept()[1:] == [(Kind.KEPT_5_MIN, 0, 16)]


def test_a_closed_document_is_not_judged(lab: Lab) -> None:
    lab.accept()
    lab.document = None
    lab.wait(300)
    assert lab.kept() == []


def test_what_was_not_accepted_is_not_looked_for(lab: Lab) -> None:
    lab.feedback.happened(Kind.SHOWN, "s1")
    assert lab.later == []


def test_keys_are_counted_together(lab: Lab) -> None:
    for _ in range(150):
        lab.feedback.typed(URI, "python", 2)
    lab.feedback.closed(URI)
    typed = [
        (event.language, event.model, event.characters) for event in lab.events if event.kind is Kind.TYPED
    ]
    assert typed == [("python", "nano-135m", 200), ("python", "nano-135m", 100)]


def test_the_end_of_a_session_loses_no_keys(lab: Lab) -> None:
    lab.feedback.typed(URI, "python", 7)
    lab.feedback.finish()
    assert [event.characters for event in lab.events if event.kind is Kind.TYPED] == [7]


def test_switched_off_nothing_is_counted(lab: Lab) -> None:
    lab.feedback.enabled = False
    lab.accept()
    lab.wait(300)
    lab.feedback.typed(URI, "python", 500)
    assert lab.events == []
