"""Answers of many variants to the same holes, summed up: figures by group, differences, gates, advice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mellum_lsp.bench.answers import Answer, Variant
from mellum_lsp.bench.gates import (
    THRESHOLDS,
    AtGate,
    Bin,
    at_gate,
    behind,
    best_gate,
    calibration,
    lowest_gate,
    seen,
)
from mellum_lsp.bench.holes import Hole, Place
from mellum_lsp.bench.scores import FIGURES, YES_OR_NO, Score, judged, score_verdict
from mellum_lsp.bench.statistics import Estimate, mean, mean_difference, ratio_of_means, share
from mellum_lsp.completion.calibrated import calibrated
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger

RIGHT_AIM = 0.85
"""What share of shown suggestions the recommended gate keeps right, where any gate does."""

Belongs = Callable[[Hole], bool]
_GROUPS: dict[str, Belongs] = {
    "all": lambda hole: True,
    "cross-file": lambda hole: hole.is_cross_file,
    "within the file": lambda hole: not hole.is_cross_file,
    "single-line": lambda hole: hole.kind == "single-line",
    "block": lambda hole: hole.kind == "block",
    "mid-line": lambda hole: hole.kind == "mid-line",
}
GATED_GROUPS = ("all", "single-line", "block", "mid-line")


@dataclass(frozen=True)
class Figures:
    """Of a variant on a group of holes; ``values`` by the names of `FIGURES`.

    ``supplied``: the share of the needed names that stood in the prompt's project context, over cross-file
    holes. ``milliseconds``: the median of whole answers, prompts evaluated cold.
    """

    variant: Variant
    group: str
    values: Mapping[str, Estimate]
    supplied: Estimate
    milliseconds: float


@dataclass(frozen=True)
class Difference:
    """A variant against another on the same holes: how much more chrF as a share, how much more exact."""

    variant: Variant
    against: Variant
    group: str
    chrf: Estimate
    exact: Estimate

    @property
    def rival(self) -> str:
        """What differs of the other."""
        return self.against.context if self.against.model == self.variant.model else self.against.model


@dataclass(frozen=True)
class Gates:
    """A variant behind gates, on a group of holes. ``default`` is as the server is set."""

    variant: Variant
    group: str
    default: AtGate
    curve: Sequence[AtGate]
    calibration: Sequence[Bin]


@dataclass(frozen=True)
class Summary:
    """Everything a report tells."""

    holes: int
    projects: Sequence[str]
    figures: Sequence[Figures]
    differences: Sequence[Difference]
    gates: Sequence[Gates]
    advice: Mapping[str, Any]
    reasons: Sequence[str]


@dataclass
class Results:
    """Places by hole and answers by variant, perhaps of several projects.

    ``choices`` says what a user writes into the settings for a model, where that is not its name. With
    ``calibrated_gate`` the gate is that which ships for each model, as where a user set none.
    """

    places: dict[str, Place]
    answers: dict[Variant, dict[str, Answer]]
    settings: CompletionSettings
    choices: dict[str, str] = field(default_factory=dict)
    calibrated_gate: bool = True

    def __post_init__(self) -> None:
        self._scores: dict[tuple[Variant, str], Score] = {}

    def as_served(self, model: str) -> CompletionSettings:
        """The settings that the server has for a model."""
        return replace(self.settings, thresholds=calibrated(model)) if self.calibrated_gate else self.settings

    def common(self, variants: Sequence[Variant]) -> list[Place]:
        """The holes that all of ``variants`` answered."""
        return [p for p in self.places.values() if all(p.hole.id in self.answers[v] for v in variants)]

    def score(self, variant: Variant, place: Place) -> Score:
        """The variant's ungated answer, through stop and rules, against the truth."""
        key = variant, place.hole.id
        if key not in self._scores:
            answer = self.answers[variant][place.hole.id]
            verdict = judged(place, answer.generated(), self.settings, Trigger.INVOKED)
            self._scores[key] = score_verdict(place, verdict, answer.stop)
        return self._scores[key]


def summarise(results: Results) -> Summary:
    """Figures of every variant over the holes that all of them answered."""
    variants = list(results.answers)
    places = results.common(variants)
    figures = [
        _figures(results, variant, group, members)
        for variant in variants
        for group, members in groups(places)
    ]
    differences = [
        _difference(results, variant, against, group, members)
        for variant, against in _pairs(variants)
        for group, members in groups(places)
    ]
    gates = [one for variant in variants for one in _gates(results, variant, places)]
    advice, reasons = _advise(figures, differences, gates)
    if "model" in advice:
        advice["model"] = results.choices.get(advice["model"], advice["model"])
    names = list(dict.fromkeys(place.hole.project for place in places))
    return Summary(len(places), names, figures, differences, gates, advice, reasons)


def groups(places: Sequence[Place]) -> Iterator[tuple[str, list[Place]]]:
    """The groups that have members, each with them; languages where there are several."""
    belongs = dict(_GROUPS)
    languages = sorted({place.hole.language for place in places})
    if len(languages) > 1:
        belongs |= {language: _is_in(language) for language in languages}
    for group, is_member in belongs.items():
        members = [place for place in places if is_member(place.hole)]
        if members:
            yield group, members


def _is_in(language: str) -> Belongs:
    return lambda hole: hole.language == language


def _figures(results: Results, variant: Variant, group: str, places: Sequence[Place]) -> Figures:
    scores = [results.score(variant, place) for place in places]
    answers = [results.answers[variant][place.hole.id] for place in places]
    supplied = [
        len(answer.supplied) / len(place.hole.needs)
        for place, answer in zip(places, answers, strict=True)
        if place.hole.needs
    ]
    return Figures(
        variant,
        group,
        {name: _estimate(name, scores) for name in FIGURES},
        mean(supplied),
        round(float(np.median([answer.milliseconds for answer in answers])), 1),
    )


def _estimate(name: str, scores: Sequence[Score]) -> Estimate:
    values = [float(getattr(score, name)) for score in scores]
    return share(value == 1 for value in values) if name in YES_OR_NO else mean(values)


def _difference(
    results: Results, variant: Variant, against: Variant, group: str, places: Sequence[Place]
) -> Difference:
    scores = [results.score(variant, place) for place in places]
    others = [results.score(against, place) for place in places]
    return Difference(
        variant,
        against,
        group,
        ratio_of_means([one.chrf for one in scores], [one.chrf for one in others]),
        mean_difference([one.exact for one in scores], [one.exact for one in others]),
    )


def _pairs(variants: Sequence[Variant]) -> Iterator[tuple[Variant, Variant]]:
    """Every mix against none with the same model, and every model against the first with the same mix."""
    for variant in variants:
        for other in variants:
            same_model, same_context = variant.model == other.model, variant.context == other.context
            if same_model and not same_context and other.context == "none":
                yield variant, other
            if same_context and not same_model and other.model == variants[0].model:
                yield variant, other


def _gates(results: Results, variant: Variant, places: Sequence[Place]) -> Iterator[Gates]:
    """Of each group that has members; every answer is judged once at every threshold."""
    settings = results.settings
    asked = [(place, results.answers[variant][place.hole.id]) for place in places]
    order = {place.hole.id: number for number, place in enumerate(places)}
    as_set = seen(asked, results.as_served(variant.model))
    at_all = {threshold: seen(asked, behind(threshold, settings)) for threshold in THRESHOLDS}
    for group, members in groups(places):
        if group in GATED_GROUPS:
            own = [order[place.hole.id] for place in members]
            of_group = {gate: [views[number] for number in own] for gate, views in at_all.items()}
            yield Gates(
                variant,
                group,
                at_gate(settings.gate, [as_set[number] for number in own]),
                [at_gate(threshold, views) for threshold, views in of_group.items()],
                calibration(of_group[0.0]),
            )


def _advise(
    figures: Sequence[Figures], differences: Sequence[Difference], gates: Sequence[Gates]
) -> tuple[dict[str, Any], list[str]]:
    """Settings that the figures speak for, and why."""
    overall = [one for one in figures if one.group == "all"]
    if not overall:
        return {}, ["no hole was answered by every variant"]
    best = max(overall, key=lambda one: one.values["chrf"].value)
    reasons = [
        f"{best.variant.name} has the highest chrF++ of all: {best.values['chrf'].value:.1f}, in a median of "
        f"{best.milliseconds:.0f} ms with nothing evaluated before"
    ]
    for one in differences:
        if one.variant == best.variant and one.group == "all":
            sure = "" if one.chrf.excludes_zero else ", which may be chance"
            reasons.append(f"{one.chrf.value:+.0%} against {one.rival}{sure}")
    points = next(one.curve for one in gates if one.variant == best.variant and one.group == "all")
    gate = lowest_gate(points, RIGHT_AIM)
    if gate:
        reasons.append(
            f"at gate {gate.threshold} {gate.right.value:.0%} of what is shown is right, and something is "
            f"shown at {gate.shown.value:.0%} of the holes"
        )
    else:
        gate = best_gate(points)
        reasons.append(
            f"no gate keeps {RIGHT_AIM:.0%} of enough shown suggestions right; at {gate.threshold} the right "
            "characters outweigh the wrong ones most"
        )
    return {"model": best.variant.model, "gate": gate.threshold}, reasons
