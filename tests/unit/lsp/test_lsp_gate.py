"""How recorded events move the gate: what was accepted was right, what was shown and left was not."""

from __future__ import annotations

from collections.abc import Iterator

from mellum_lsp.completion.calibrated import LEAST_LOCAL_OUTCOMES
from mellum_lsp.completion.calibration import Recorded
from mellum_lsp.completion.thresholds import Form
from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.lsp.gate import outcomes_of, thresholds_of


def shown(suggestion: str, form: str = "line", model: str = "m", probability: float = 0.6) -> Event:
    return Event(Kind.SHOWN, suggestion, model=model, probability=probability, form=form)


def test_what_was_wanted_was_right() -> None:
    events = [
        *(shown("accepted"), Event(Kind.ACCEPTED, "accepted", model="m")),
        *(shown("typed", "word"), Event(Kind.TYPED_THROUGH, "typed", model="m")),
        *(shown("partly"), Event(Kind.PARTIALLY_ACCEPTED, "partly", model="m")),
        *(shown("dismissed", "block"), Event(Kind.DISMISSED, "dismissed", model="m")),
        shown("left", "mid-line"),
    ]
    assert outcomes_of("m", events) == [
        Recorded(Form.LINE, 0.6, True),
        Recorded(Form.WORD, 0.6, True),
        Recorded(Form.LINE, 0.6, False),
        Recorded(Form.BLOCK, 0.6, False),
        Recorded(Form.MID_LINE, 0.6, False),
    ]


def test_other_models_and_events_without_a_form_do_not_count() -> None:
    events = [shown("other", model="n"), shown("old", form=""), Event(Kind.TYPED, "", model="m")]
    assert outcomes_of("m", events) == []


def test_enough_refusals_raise_the_threshold() -> None:
    def refusals() -> Iterator[Event]:
        for number in range(LEAST_LOCAL_OUTCOMES):
            yield shown(f"s{number}", model="nano-135m", probability=0.62)

    before, after = thresholds_of("nano-135m"), thresholds_of("nano-135m", refusals())
    assert before and after
    assert after.line > before.line


def test_of_an_unknown_model_there_are_no_thresholds() -> None:
    assert thresholds_of("somebody's.gguf") is None
