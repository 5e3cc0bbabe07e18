"""What replays of several variants come to: keys saved, waiting times by source and reason, costs, advice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from mellum_lsp.bench.assistant import Answer
from mellum_lsp.bench.replay import Replayed
from mellum_lsp.bench.statistics import (
    Estimate,
    difference_of_ratios,
    percentile,
    ratio_of_sums,
    share,
)
from mellum_lsp.completion.reasons import kind_of

PERCENTILES = (50, 90, 95, 99)
FROM_THE_CACHE = ("cache", "prefetch")
FROM_THE_MODEL = ("micro", "full")


class ReplayVariant(msgspec.Struct, frozen=True):
    """A model with the settings that are compared; None and "" leave the server its defaults."""

    model: str = ""
    gate: float | None = None
    context_tokens: int | None = None

    @property
    def name(self) -> str:
        parts = [self.model or "default model"]
        if self.gate is not None:
            parts.append(f"gate {self.gate:g}")
        if self.context_tokens is not None:
            parts.append(f"{self.context_tokens} tokens")
        return ", ".join(parts)

    @property
    def file_name(self) -> str:
        plain = f"{self.model or 'default'}--{self.gate}--{self.context_tokens}"
        return re.sub(r"[^\w.=-]+", "_", plain)

    @property
    def settings(self) -> dict[str, Any]:
        """As the server's settings take them, the model left out."""
        chosen = {"gate": self.gate, "contextTokens": self.context_tokens}
        return {name: value for name, value in chosen.items() if value is not None}


@dataclass(frozen=True)
class Waiting:
    """How long some of the answers took: a count, and milliseconds by per cent of `PERCENTILES`."""

    group: str
    count: int
    milliseconds: Mapping[int, float]


@dataclass(frozen=True)
class ReplayFigures:
    """Of one variant. ``saved`` are keys in a hundred that the text takes by hand.

    ``accepted`` is the share of the text that came by taking ghosts, ``right`` the share of shown ghosts
    that stood there in full; processor time is in seconds of all cores per minute of typing, tokens per key.
    ``all_ms`` and ``model_ms`` are of answers that show something: their medians and 95th percentiles.
    ``waiting`` tells of those first, then of silence by reason, then of what was superseded.
    """

    variant: ReplayVariant
    minutes: float
    keys: int
    saved: Estimate
    accepted: Estimate
    shown: int
    right: Estimate
    cpu_seconds: Estimate
    evaluated: Estimate
    generated: Estimate
    all_ms: tuple[Estimate, Estimate]
    model_ms: tuple[Estimate, Estimate]
    waiting: Sequence[Waiting]


@dataclass(frozen=True)
class ReplaySummary:
    """Everything that a report tells. ``differences`` are in keys saved per hundred, against the best."""

    project: str
    sittings: int
    figures: Sequence[ReplayFigures]
    differences: Mapping[str, Estimate]
    advice: Mapping[str, Any]
    reasons: Sequence[str]


def summarise(
    project: str, replayed: Mapping[ReplayVariant, Sequence[Replayed]], target_ms: float = 300.0
) -> ReplaySummary:
    """Over the sittings that every variant has had."""
    common = set.intersection(*({one.sitting for one in all_of} for all_of in replayed.values()))
    chosen = {
        variant: sorted((one for one in all_of if one.sitting in common), key=lambda one: one.sitting)
        for variant, all_of in replayed.items()
    }
    figures = [figures_of(variant, all_of) for variant, all_of in chosen.items() if all_of]
    best = max(figures, key=lambda one: one.saved.value, default=None)
    if best is None:
        return ReplaySummary(project, 0, [], {}, {}, ["nothing was typed with every variant"])
    differences = {
        one.variant.name: difference_of_ratios(
            _saved(chosen[best.variant]), _saved(chosen[one.variant]), scale=100
        )
        for one in figures
        if one is not best
    }
    advice: dict[str, Any] = dict(best.variant.settings)
    if best.variant.model:
        advice = {"model": best.variant.model, **advice}
    return ReplaySummary(
        project, len(common), figures, differences, advice, _reasons(best, differences, target_ms)
    )


def figures_of(variant: ReplayVariant, replayed: Sequence[Replayed]) -> ReplayFigures:
    """What sittings with one variant come to; the unit of the intervals is the sitting."""
    answers = [answer for one in replayed for answer in one.answers]
    shown = [answer for answer in answers if is_shown(answer)]
    by_model = [answer for answer in shown if answer.source in FROM_THE_MODEL]
    pressed = [one.pressed for one in replayed]
    return ReplayFigures(
        variant=variant,
        minutes=sum(one.seconds for one in replayed) / 60,
        keys=sum(pressed),
        saved=ratio_of_sums(*_saved(replayed), scale=100),
        accepted=ratio_of_sums([one.accepted for one in replayed], [one.written for one in replayed]),
        shown=len(shown),
        right=share(answer.right for answer in shown),
        cpu_seconds=ratio_of_sums(
            [one.spent.cpu_seconds for one in replayed], [one.seconds for one in replayed], scale=60
        ),
        evaluated=ratio_of_sums([one.spent.evaluated for one in replayed], pressed),
        generated=ratio_of_sums([one.spent.generated for one in replayed], pressed),
        all_ms=_median_and_late(shown),
        model_ms=_median_and_late(by_model),
        waiting=waiting_times(answers),
    )


def is_shown(answer: Answer) -> bool:
    return bool(answer.characters) and not answer.superseded


def waiting_times(answers: Sequence[Answer]) -> list[Waiting]:
    """Answers that show something by their source, silences by their reason, and those superseded."""
    groups: dict[str, Callable[[Answer], bool]] = {
        "shown": is_shown,
        "shown, from the cache": lambda one: is_shown(one) and one.source in FROM_THE_CACHE,
        "shown, from a running generation": lambda one: is_shown(one) and one.source == "stream",
        "shown, from the model": lambda one: is_shown(one) and one.source in FROM_THE_MODEL,
    }
    silences = sorted({_kind(one) for one in answers if not one.superseded and not one.characters})
    groups |= {f"empty: {kind}": _is_silent_for(kind) for kind in silences}
    groups["superseded"] = lambda one: one.superseded
    found = []
    for group, belongs in groups.items():
        times = [one.milliseconds for one in answers if belongs(one)]
        if times:
            found.append(Waiting(group, len(times), dict(zip(PERCENTILES, _percentiles(times), strict=True))))
    return found


def _is_silent_for(kind: str) -> Callable[[Answer], bool]:
    return lambda one: not one.superseded and not one.characters and _kind(one) == kind


def _percentiles(times: Sequence[float]) -> list[float]:
    return [round(float(value), 2) for value in np.percentile(times, PERCENTILES)]


def _median_and_late(answers: Sequence[Answer]) -> tuple[Estimate, Estimate]:
    times = [answer.milliseconds for answer in answers]
    return percentile(times, 50), percentile(times, 95)


def _kind(answer: Answer) -> str:
    kind = kind_of(answer.reason)
    return kind.short if kind else answer.reason or "nothing generated"


def _saved(replayed: Sequence[Replayed]) -> tuple[list[float], list[float]]:
    return [float(one.saved) for one in replayed], [float(one.by_hand) for one in replayed]


def _reasons(best: ReplayFigures, differences: Mapping[str, Estimate], target_ms: float) -> list[str]:
    median, late = best.all_ms
    reasons = [
        f"{best.variant.name} saves most: {best.saved.value:.1f} of a hundred keys "
        f"[{best.saved.low:.1f}, {best.saved.high:.1f}]"
    ]
    for name, more in differences.items():
        sure = "" if more.excludes_zero else ", which may be chance"
        reasons.append(f"{more.value:+.1f} against {name} [{more.low:.1f}, {more.high:.1f}]{sure}")
    if best.shown:
        verdict = "within" if late.value <= target_ms else "beyond"
        reasons.append(
            f"half of what it shows is there in {median.value:.0f} ms, 95% in {late.value:.0f} ms: "
            f"{verdict} the {target_ms:.0f} ms that a user waits"
        )
    reasons.append(f"it takes {best.cpu_seconds.value:.0f} seconds of processor time per minute of typing")
    return reasons
