"""The gate's thresholds for the served model: those that ship, moved by what this user accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mellum_lsp.completion.calibrated import calibrated
from mellum_lsp.completion.calibration import Recorded
from mellum_lsp.completion.thresholds import Form, Thresholds
from mellum_lsp.feedback.events import Event, Kind

ReadEvents = Callable[[], Sequence[Event]]

_FORMS = {form.value: form for form in Form}
_WANTED = (Kind.ACCEPTED, Kind.TYPED_THROUGH)


def thresholds_of(model: str, events: Iterable[Event] = ()) -> Thresholds | None:
    """The thresholds for ``model`` by all that is known of it, None where that is nothing."""
    return calibrated(model, outcomes_of(model, events))


def outcomes_of(model: str, events: Iterable[Event]) -> list[Recorded]:
    """What became of the model's suggestions that were shown: right is what was accepted or typed in full."""
    shown: dict[str, Event] = {}
    wanted: set[str] = set()
    for event in events:
        if event.model == model and event.kind is Kind.SHOWN and event.form in _FORMS:
            shown[event.suggestion] = event
        elif event.kind in _WANTED:
            wanted.add(event.suggestion)
    return [
        Recorded(_FORMS[event.form], event.probability, suggestion in wanted)
        for suggestion, event in shown.items()
    ]
