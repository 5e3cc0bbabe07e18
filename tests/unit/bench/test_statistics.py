"""Intervals hold the truth as often as they say, and pairs are compared as pairs."""

from __future__ import annotations

import numpy as np
import pytest

from mellum_lsp.bench.statistics import (
    censored_percentile,
    difference_of_ratios,
    mean,
    mean_difference,
    percentile,
    ratio_of_means,
    ratio_of_sums,
    share,
)


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    samples = [mean(random.exponential(3.0, 80)) for _ in range(200)]
    assert 0.88 < np.mean([one.low <= 3.0 <= one.high for one in samples]) < 0.99


def test_the_same_values_give_the_same_interval() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert mean(values) == mean(values)
    assert mean(values).value == pytest.approx(0.6)
    assert mean(values).n == 5


def test_pairs_tell_a_small_difference_that_means_alone_do_not() -> None:
    random = np.random.default_rng(2)
    base = random.normal(50, 20, 100)
    better = base + random.normal(1.0, 0.5, 100)
    assert mean(better).low < mean(base).high
    assert mean_difference(better, base).low > 0
    assert mean_difference(better, base).excludes_zero


def test_a_ratio_is_of_the_means_not_the_mean_of_ratios() -> None:
    more = ratio_of_means([0.0, 30.0, 30.0], [10.0, 20.0, 20.0])
    assert more.value == pytest.approx(60 / 50 - 1)
    assert more.low <= more.value <= more.high


def test_nothing_has_no_figures() -> None:
    assert mean([]).n == 0
    assert ratio_of_means([1.0], [0.0]).value == 0.0


def test_values_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="are no pairs"):
        mean_difference([1.0], [1.0, 2.0])


def test_a_share_of_few_is_never_certain() -> None:
    """Wilson's interval of three in three by hand: from n / (n + z²) to 1."""
    all_of_three = share([True] * 3)
    assert all_of_three.value == 1
    assert all_of_three.low == pytest.approx(3 / (3 + 1.959964**2), abs=1e-4)
    assert all_of_three.high == 1
    assert share([False] * 3).high == pytest.approx(1 - all_of_three.low)
    assert share([]).n == 0


def test_the_interval_of_a_share_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    samples = [share(random.random(30) < 0.9) for _ in range(300)]
    assert 0.90 < np.mean([one.low <= 0.9 <= one.high for one in samples]) < 0.99


def test_a_ratio_of_sums_weighs_the_large_ones_more() -> None:
    assert ratio_of_sums([1, 30], [10, 100], scale=100).value == pytest.approx(100 * 31 / 110)
    assert ratio_of_sums([], []).n == 0


def test_a_difference_of_ratios_that_is_the_same_everywhere_is_sure() -> None:
    more = difference_of_ratios(([3, 6, 9], [10, 20, 30]), ([1, 2, 3], [10, 20, 30]))
    assert more.value == pytest.approx(0.2)
    assert more.excludes_zero


def test_without_censored_values_it_is_the_percentile_of_what_was_seen() -> None:
    values = list(range(1, 101))
    assert censored_percentile(values, [False] * 100, 50).value == pytest.approx(50, abs=1)
    assert percentile(values, 50).value == pytest.approx(50.5)


def test_values_known_only_to_be_larger_move_a_percentile_up() -> None:
    values = [10.0] * 5 + [100.0] * 5
    withdrawn = [False] * 10
    assert censored_percentile(values, withdrawn, 40).value == 10
    withdrawn[:3] = [True] * 3  # three of the quick ones would have taken longer
    assert censored_percentile(values, withdrawn, 40).value == 100


def test_a_percentile_hidden_by_censored_values_is_bounded_from_below() -> None:
    assert censored_percentile([5, 9, 20], [False, True, True], 95).value == 20


def test_an_interval_holds_its_share_however_few_there_are() -> None:
    """A plot refuses error bars that are negative by the last bit."""
    for n in range(1, 60):
        for right in range(n + 1):
            found = share([True] * right + [False] * (n - right))
            assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("saved", [7, 37, 41])
def test_the_interval_of_a_single_ratio_holds_it_whatever_is_rounded(saved: int) -> None:
    one = ratio_of_sums([saved], [143], scale=100)
    assert one.low <= one.value <= one.high
