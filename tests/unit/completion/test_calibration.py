"""Thresholds come from outcomes: how they are counted, fitted and joined with a user's own."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.completion.calibrated import LEAST_LOCAL_OUTCOMES, MOST_MOVED, calibrated
from mellum_lsp.completion.calibration import (
    BINS,
    HIGHEST,
    LEAST_OUTCOMES,
    Calibration,
    Count,
    Recorded,
    lowest_reaching,
    rising,
)
from mellum_lsp.completion.thresholds import Form, Thresholds

counts = st.lists(
    st.integers(0, 50).flatmap(lambda n: st.integers(0, n).map(lambda r: Count(n, r))), max_size=25
)


def outcomes(form: Form, probability: float, right: int, wrong: int) -> list[Recorded]:
    return [Recorded(form, probability, number < right) for number in range(right + wrong)]


@given(counts)
def test_the_fit_never_falls_and_keeps_the_number_of_right_ones(measured: list[Count]) -> None:
    fit = rising(measured)
    assert len(fit) == len(measured)
    assert all(a <= b for a, b in pairwise(fit))
    assert sum(share * count.all for share, count in zip(fit, measured, strict=True)) == pytest.approx(
        sum(count.right for count in measured)
    )


def test_violators_are_pooled() -> None:
    measured = [Count(10, 1), Count(10, 6), Count(10, 4), Count(10, 9)]
    assert rising(measured) == pytest.approx([0.1, 0.5, 0.5, 0.9])


@pytest.mark.parametrize(("target", "threshold"), [(0.05, 0.0), (0.4, 0.25), (0.6, 0.75), (0.95, HIGHEST)])
def test_the_threshold_is_where_the_target_is_reached(target: float, threshold: float) -> None:
    assert lowest_reaching([Count(10, 1), Count(10, 6), Count(10, 4), Count(10, 9)], target) == threshold


def test_nothing_recorded_shows_nothing() -> None:
    assert Calibration.of([]).thresholds() == Thresholds.flat(HIGHEST)


def test_a_form_with_outcomes_enough_has_its_own_threshold() -> None:
    enough = LEAST_OUTCOMES // 2
    recorded = [
        *outcomes(Form.LINE, 0.32, enough, 0),
        *outcomes(Form.LINE, 0.12, 0, enough),
        *outcomes(Form.WORD, 0.82, enough, 0),
        *outcomes(Form.WORD, 0.32, 0, enough),
    ]
    thresholds = Calibration.of(recorded).thresholds()
    assert (thresholds.line, thresholds.word) == (0.3, 0.8)


def test_a_form_with_few_outcomes_is_judged_by_all_of_them() -> None:
    recorded = [
        *outcomes(Form.LINE, 0.42, LEAST_OUTCOMES, 0),
        *outcomes(Form.LINE, 0.12, 0, LEAST_OUTCOMES),
        *outcomes(Form.BLOCK, 0.12, 3, 0),
    ]
    assert Calibration.of(recorded).thresholds().block == 0.4


def test_a_certain_outcome_has_a_bin() -> None:
    assert Calibration.of([Recorded(Form.LINE, 1.0, True)]).counts[Form.LINE][BINS - 1] == Count(1, 1)


def test_calibrations_add_up() -> None:
    one = Calibration.of(outcomes(Form.LINE, 0.5, 2, 1))
    assert one.with_more(one).counts[Form.LINE][BINS // 2] == Count(6, 4)


def test_the_embedded_model_is_calibrated() -> None:
    shipped = calibrated("nano-135m")
    assert shipped is not None
    assert all(
        0.1 < threshold < 0.9 for threshold in (shipped.line, shipped.block, shipped.mid_line, shipped.word)
    )


def test_of_an_unknown_model_nothing_is_known_until_its_user_has_seen_enough() -> None:
    seen = [*outcomes(Form.LINE, 0.72, 80, 20), *outcomes(Form.LINE, 0.52, 10, 90)]
    assert len(seen) == LEAST_LOCAL_OUTCOMES
    assert calibrated("another") is None
    assert calibrated("another", seen[1:]) is None
    assert calibrated("another", seen) == Thresholds.flat(0.7)


def test_a_users_own_outcomes_move_the_threshold_of_a_known_model() -> None:
    shipped = calibrated("nano-135m")
    disappointed = calibrated("nano-135m", outcomes(Form.LINE, 0.62, 0, LEAST_LOCAL_OUTCOMES))
    assert shipped and disappointed
    assert disappointed.line == pytest.approx(shipped.line + MOST_MOVED)


def test_somebody_who_never_accepts_anything_still_sees_what_is_sure() -> None:
    refused = calibrated("another", outcomes(Form.LINE, 0.99, 0, 10 * LEAST_LOCAL_OUTCOMES))
    assert refused == Thresholds.flat(0.5 + MOST_MOVED)
