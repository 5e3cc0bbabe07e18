"""From events to figures: acceptance rate, ratio of completed code, kept rate, waiting times. Pure.

Definitions (JetBrains, "AI Code Completion: Less Is More", 2024): the *acceptance rate* is the share of
shown suggestions that were accepted, in whole or in part; the *ratio of completed code* (RoCC) is the
characters that completion inserted over all characters that were written, by hand and by completion.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from mellum_lsp.feedback.events import Event, Kind

_HAPPENED = (Kind.SHOWN, Kind.ACCEPTED, Kind.PARTIALLY_ACCEPTED, Kind.TYPED_THROUGH, Kind.DISMISSED)


@dataclass(slots=True)
class Suggestion:
    """What became of one suggestion; characters are its own counts."""

    language: str = ""
    model: str = ""
    source: str = ""
    form: str = ""
    lines: int = 0
    at: float = 0.0
    latency_ms: float = 0.0
    probability: float = 0.0
    happened: set[Kind] = field(default_factory=set)
    accepted_characters: int = 0
    partial_characters: int = 0
    kept: dict[Kind, tuple[int, int]] = field(default_factory=dict)
    """By the time after which it was looked at: characters that were still there, and that were accepted."""

    @property
    def inserted_characters(self) -> int:
        """What completion wrote: all of it, or the part that was taken."""
        return self.accepted_characters or self.partial_characters


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of a set of suggestions; rates are None where nothing was counted."""

    shown: int
    accepted: int
    partially_accepted: int
    typed_through: int
    dismissed: int
    inserted_characters: int
    typed_characters: int
    acceptance_rate: float | None
    ratio_of_completed_code: float | None
    kept_after_30_s: float | None
    kept_after_5_min: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None


def suggestions(events: Iterable[Event]) -> list[Suggestion]:
    """The suggestions in ``events``, in the order in which they first appear."""
    found: dict[str, Suggestion] = {}
    for event in events:
        if event.kind is Kind.TYPED:
            continue
        one = found.setdefault(event.suggestion, Suggestion())
        if event.kind in _HAPPENED:
            one.happened.add(event.kind)
            one.language, one.model, one.source = event.language, event.model, event.source
            one.latency_ms, one.probability = event.latency_ms, event.probability
            one.form = event.form
            one.at = one.at or event.at
            one.lines = max(one.lines, event.lines)
        if event.kind is Kind.ACCEPTED:
            one.accepted_characters = event.characters
        elif event.kind is Kind.PARTIALLY_ACCEPTED:
            one.partial_characters = max(one.partial_characters, event.characters)
        elif event.kind in (Kind.KEPT_30_S, Kind.KEPT_5_MIN):
            one.kept[event.kind] = (event.characters, event.of_characters)
    return [one for one in found.values() if one.happened]


def measure(chosen: Sequence[Suggestion], typed_characters: int | None) -> Metrics:
    """The figures of ``chosen``, and of the ``typed_characters`` that were typed by hand beside them, None
    where that is not known."""

    def count(kind: Kind) -> int:
        return sum(kind in one.happened for one in chosen)

    accepted = count(Kind.ACCEPTED)
    partially = sum(
        Kind.PARTIALLY_ACCEPTED in one.happened and Kind.ACCEPTED not in one.happened for one in chosen
    )
    inserted = sum(one.inserted_characters for one in chosen)
    waited = sorted(one.latency_ms for one in chosen)
    return Metrics(
        shown=len(chosen),  # whatever became of it, it had been shown
        accepted=accepted,
        partially_accepted=partially,
        typed_through=count(Kind.TYPED_THROUGH),
        dismissed=count(Kind.DISMISSED),
        inserted_characters=inserted,
        typed_characters=typed_characters or 0,
        acceptance_rate=_ratio(accepted + partially, len(chosen)),
        ratio_of_completed_code=None
        if typed_characters is None
        else _ratio(inserted, inserted + typed_characters),
        kept_after_30_s=_kept(chosen, Kind.KEPT_30_S),
        kept_after_5_min=_kept(chosen, Kind.KEPT_5_MIN),
        latency_p50_ms=_percentile(waited, 0.50),
        latency_p95_ms=_percentile(waited, 0.95),
    )


def overall(events: Sequence[Event]) -> Metrics:
    """The figures of all ``events``."""
    return measure(suggestions(events), _typed(events))


def by(key: Callable[[Suggestion], str], events: Sequence[Event]) -> dict[str, Metrics]:
    """The figures of each group of suggestions that ``key`` names, the largest group first.

    Only a language and a model have characters typed by hand beside them; where none were counted, the ratio
    of completed code is None.
    """
    groups: dict[str, list[Suggestion]] = defaultdict(list)
    for one in suggestions(events):
        groups[key(one) or "unknown"].append(one)
    typed: dict[str, int] = defaultdict(int)
    typed_by = _TYPED_BY.get(key)
    for event in events if typed_by else ():
        if typed_by and event.kind is Kind.TYPED:
            typed[typed_by(event) or "unknown"] += event.characters
    ordered = sorted(groups, key=lambda name: -len(groups[name]))
    return {name: measure(groups[name], typed.get(name)) for name in ordered}


def language_of(one: Suggestion) -> str:
    return one.language


def model_of(one: Suggestion) -> str:
    return one.model


_TYPED_BY: dict[Callable[[Suggestion], str], Callable[[Event], str]] = {
    language_of: lambda event: event.language,
    model_of: lambda event: event.model,
}


def kind_of(one: Suggestion) -> str:
    """Whether it was one line or more."""
    return "one line" if one.lines <= 1 else "several lines"


def source_of(one: Suggestion) -> str:
    return one.source


def form_of(one: Suggestion) -> str:
    """What was completed: a line, a block, the middle of a line, a word."""
    return one.form


def week_of(one: Suggestion) -> str:
    """The Monday of its week, in local time."""
    day = date.fromtimestamp(one.at)
    return (day - timedelta(days=day.weekday())).isoformat()


def _typed(events: Iterable[Event]) -> int:
    return sum(event.characters for event in events if event.kind is Kind.TYPED)


def _kept(chosen: Iterable[Suggestion], kind: Kind) -> float | None:
    looked_at = [one.kept[kind] for one in chosen if kind in one.kept]
    return _ratio(sum(kept for kept, _ in looked_at), sum(accepted for _, accepted in looked_at))


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that ``share`` of all do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
