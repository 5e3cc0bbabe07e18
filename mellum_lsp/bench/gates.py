"""The same answers behind every threshold of the gate, and how well the model knows when it is right.

A generation without a gate, its probabilities recorded, says what any gate would have shown: the gate only
ever cuts. So the whole trade-off costs one generation a hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mellum_lsp.bench.answers import Answer
from mellum_lsp.bench.holes import Place
from mellum_lsp.bench.scores import Shown, judged, shown
from mellum_lsp.bench.statistics import Estimate, mean, share
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger

THRESHOLDS = (0.0, *(round(0.05 * step, 2) for step in range(1, 19)), 0.92, 0.95, 0.97, 0.99)
BINS = 10


@dataclass(frozen=True, slots=True)
class AtGate:
    """What a gate does. ``shown`` is the share of the holes at which something is shown, ``right`` the share
    of those that are fully right; characters are means per hole, silence counting none."""

    threshold: float
    shown: Estimate
    right: Estimate
    right_characters: Estimate
    wrong_characters: Estimate


class Bin(NamedTuple):
    """Drafts whose joint probability lies in one tenth: the mean of that, and the share that was right."""

    predicted: float
    observed: Estimate


def behind(threshold: float, settings: CompletionSettings) -> CompletionSettings:
    """The settings with one gate for completions of every form."""
    return replace(settings, gate=threshold, thresholds=None)


def seen(asked: Iterable[tuple[Place, Answer]], settings: CompletionSettings) -> list[Shown | None]:
    """What a user who types sees of each answer by these settings, None where there is silence."""
    return [
        shown(place, judged(place, answer.generated(), settings, Trigger.AUTOMATIC))
        for place, answer in asked
    ]


def at_gate(threshold: float, views: Sequence[Shown | None]) -> AtGate:
    """What views behind a gate come to."""
    there = [one for one in views if one]
    return AtGate(
        threshold,
        share(one is not None for one in views),
        share(one.right for one in there),
        mean([float(one.right_characters) if one else 0.0 for one in views]),
        mean([float(one.wrong_characters) if one else 0.0 for one in views]),
    )


def calibration(views: Iterable[Shown | None]) -> list[Bin]:
    """Predicted against observed, of what is seen without a gate; tenths without any draft are left out."""
    tenths: list[list[Shown]] = [[] for _ in range(BINS)]
    for draft in views:
        if draft:
            tenths[min(BINS - 1, int(draft.probability * BINS))].append(draft)
    return [
        Bin(sum(one.probability for one in tenth) / len(tenth), share(one.right for one in tenth))
        for tenth in tenths
        if tenth
    ]


def lowest_gate(points: Sequence[AtGate], right: float, least_shown: int = 20) -> AtGate | None:
    """The point that shows most while at least ``right`` of what it shows is right; None where none does.

    Points that show fewer than ``least_shown`` holes prove nothing.
    """
    good = [one for one in points if one.right.value >= right and one.right.n >= least_shown]
    return max(good, key=lambda one: one.shown.value, default=None)


def best_gate(points: Sequence[AtGate]) -> AtGate:
    """The point whose right characters outweigh its wrong ones most; of equal ones the quietest."""
    return max(
        points, key=lambda one: (one.right_characters.value - one.wrong_characters.value, one.threshold)
    )
