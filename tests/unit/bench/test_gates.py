"""One generation without a gate tells what every gate would have shown."""

from __future__ import annotations

import pytest

from mellum_lsp.bench.answers import Answer
from mellum_lsp.bench.gates import (
    THRESHOLDS,
    AtGate,
    at_gate,
    behind,
    best_gate,
    calibration,
    lowest_gate,
    seen,
)
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.thresholds import Thresholds

from .test_scores import place, said

SETTINGS = CompletionSettings()
PROBABILITIES = (0.95, 0.85, 0.6, 0.35)
"""Of four drafts; the two surest are right."""


def asked():
    pairs = []
    for number, probability in enumerate(PROBABILITIES):
        at = place("value = ", "right_answer", "\n")
        text = "right_answer" if number < 2 else "wrong_answer"
        generated = said((text, probability))
        pairs.append((at, Answer("id", text, tuple(generated.ends), tuple(generated.probabilities), "end")))
    return pairs


def gate(threshold: float, times: int = 1) -> AtGate:
    return at_gate(threshold, seen(asked() * times, behind(threshold, SETTINGS)))


def curve(times: int = 1) -> list[AtGate]:
    return [gate(threshold, times) for threshold in THRESHOLDS]


@pytest.mark.parametrize(
    ("threshold", "share_shown", "share_right", "right", "wrong"),
    [(0.0, 1.0, 0.5, 6, 6), (0.5, 0.75, 2 / 3, 6, 3), (0.8, 0.5, 1.0, 6, 0), (0.9, 0.25, 1.0, 3, 0)],
)
def test_a_gate_shows_the_sure_ones(
    threshold: float, share_shown: float, share_right: float, right: float, wrong: float
) -> None:
    point = gate(threshold)
    assert point.shown.value == pytest.approx(share_shown)
    assert point.right.value == pytest.approx(share_right)
    assert (point.right_characters.value, point.wrong_characters.value) == pytest.approx((right, wrong))


def test_a_higher_gate_never_shows_more() -> None:
    shares = [point.shown.value for point in curve()]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert shares[-1] == 0.0


def test_calibration_compares_drafts_of_like_probability() -> None:
    bins = calibration(seen(asked(), behind(0.0, SETTINGS)))
    observed = {round(one.predicted, 2): one.observed.value for one in bins}
    assert observed == {0.35: 0.0, 0.6: 0.0, 0.85: 1.0, 0.95: 1.0}


def test_the_lowest_gate_that_keeps_enough_right_is_found_only_where_enough_is_shown() -> None:
    points = curve(times=10)
    chosen = lowest_gate(points, 0.85)
    assert chosen and 0.6 < chosen.threshold <= 0.85
    assert chosen.shown.value == 0.5
    assert lowest_gate(curve(), 0.85) is None


def test_the_best_gate_weighs_right_characters_against_wrong_ones() -> None:
    assert 0.6 < best_gate(curve()).threshold <= 0.85


def test_one_gate_for_all_takes_the_place_of_thresholds_by_form() -> None:
    by_form = CompletionSettings(gate=0.5, thresholds=Thresholds(line=0.9, block=0.9, mid_line=0.9, word=0.9))
    assert sum(one is not None for one in seen(asked(), by_form)) == 1
    assert sum(one is not None for one in seen(asked(), behind(0.5, by_form))) == 3
