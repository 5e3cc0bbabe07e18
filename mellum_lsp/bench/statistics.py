"""Shares and means with confidence intervals, and paired differences of means.

Means by the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13),
drawn from a fixed seed: the same values give the same interval. Shares by Wilson's score interval (1927): of
three successes in three a bootstrap would be certain.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
_PERCENTILE_RESAMPLES = 500
CONFIDENCE = 0.95
SEED = 7
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
_AT_ONCE = 4_000_000
"""No more indices are drawn at a time."""

Values = Sequence[float] | npt.NDArray[np.float64]


class Estimate(NamedTuple):
    """A figure of ``n`` values and the interval that holds it at 95% confidence."""

    value: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def share(outcomes: Iterable[bool]) -> Estimate:
    """The share of true outcomes; zeros where there are none."""
    known = list(outcomes)
    n = len(known)
    if not n:
        return Estimate(0.0, 0.0, 0.0, 0)
    observed = sum(known) / n
    widening = _Z * _Z / n
    middle = (observed + widening / 2) / (1 + widening)
    half = _Z * math.sqrt(observed * (1 - observed) / n + widening / (4 * n)) / (1 + widening)
    # The interval holds the share; rounding must not put it outside by a hair.
    low, high = min(observed, middle - half), max(observed, middle + half)
    return Estimate(observed, max(0.0, low), min(1.0, high), n)


def mean(values: Values) -> Estimate:
    """The mean; zeros where there are no values."""
    numbers = np.asarray(values, np.float64)
    if not len(numbers):
        return Estimate(0.0, 0.0, 0.0, 0)
    return _estimate(float(numbers.mean()), _resampled(numbers[:, None])[:, 0], len(numbers))


def mean_difference(values: Values, others: Values) -> Estimate:
    """The mean of ``values - others``, which belong together in pairs. Raises `ValueError` if they cannot."""
    first, second = _pairs(values, others)
    return mean(first - second)


def ratio_of_means(values: Values, others: Values) -> Estimate:
    """The mean of ``values`` over that of ``others``, minus 1: how much more, as a share. Paired."""
    first, second = _pairs(values, others)
    if not len(first) or not second.mean():
        return Estimate(0.0, 0.0, 0.0, len(first))
    means = _resampled(np.stack([first, second], axis=1))
    means = means[means[:, 1] != 0]
    return _estimate(float(first.mean() / second.mean()) - 1, means[:, 0] / means[:, 1] - 1, len(first))


def ratio_of_sums(parts: Values, wholes: Values, scale: float = 1.0) -> Estimate:
    """``scale`` times the sum of ``parts`` over that of ``wholes``; zeros where there are none."""
    first, second = _pairs(parts, wholes)
    if not second.sum():
        return Estimate(0.0, 0.0, 0.0, len(first))
    means = _resampled(np.stack([first, second], axis=1))
    means = means[means[:, 1] != 0]
    return _estimate(scale * float(first.sum() / second.sum()), scale * means[:, 0] / means[:, 1], len(first))


def difference_of_ratios(
    one: tuple[Values, Values], other: tuple[Values, Values], scale: float = 1.0
) -> Estimate:
    """How much more the one ratio of sums is than the other; all of their values belong together."""
    columns = np.stack([np.asarray(values, np.float64) for values in (*one, *other)], axis=1)
    sums = columns.sum(axis=0)
    if not len(columns) or not sums[1] or not sums[3]:
        return Estimate(0.0, 0.0, 0.0, len(columns))
    means = _resampled(columns)
    means = means[(means[:, 1] != 0) & (means[:, 3] != 0)]
    return _estimate(
        scale * float(sums[0] / sums[1] - sums[2] / sums[3]),
        scale * (means[:, 0] / means[:, 1] - means[:, 2] / means[:, 3]),
        len(columns),
    )


def percentile(values: Values, per_cent: float) -> Estimate:
    """The percentile; zeros where there are no values."""
    numbers = np.asarray(values, np.float64)
    if not len(numbers):
        return Estimate(0.0, 0.0, 0.0, 0)
    random = np.random.default_rng(SEED)
    drawn = [
        np.percentile(numbers[random.integers(0, len(numbers), len(numbers))], per_cent)
        for _ in range(_PERCENTILE_RESAMPLES)
    ]
    return _estimate(float(np.percentile(numbers, per_cent)), np.asarray(drawn), len(numbers))


def censored_percentile(values: Values, censored: Sequence[bool], per_cent: float) -> Estimate:
    """The percentile where some values are only known to be larger (Kaplan and Meier's estimator, 1958).

    Where the censored ones hide it, the largest value that was seen stands for it: a lower bound.
    """
    numbers, hidden = np.asarray(values, np.float64), np.asarray(censored, np.bool_)
    if not len(numbers):
        return Estimate(0.0, 0.0, 0.0, 0)
    random = np.random.default_rng(SEED)
    drawn = []
    for _ in range(_PERCENTILE_RESAMPLES):
        rows = random.integers(0, len(numbers), len(numbers))
        drawn.append(_kaplan_meier(numbers[rows], hidden[rows], per_cent))
    return _estimate(_kaplan_meier(numbers, hidden, per_cent), np.asarray(drawn), len(numbers))


def _kaplan_meier(values: npt.NDArray[np.float64], censored: npt.NDArray[np.bool_], per_cent: float) -> float:
    order = np.lexsort((censored, values))
    at_risk = np.arange(len(values), 0, -1)
    surviving = np.cumprod(np.where(censored[order], 1.0, 1 - 1 / at_risk))
    reached = np.flatnonzero(surviving <= 1 - per_cent / 100 + 1e-12)
    return float(values[order][reached[0] if len(reached) else -1])


def _pairs(values: Values, others: Values) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if len(values) != len(others):
        raise ValueError(f"{len(values)} values and {len(others)} others are no pairs")
    return np.asarray(values, np.float64), np.asarray(others, np.float64)


def _resampled(columns: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Means of the columns in every resample of the rows: an array of (resamples, columns)."""
    random = np.random.default_rng(SEED)
    rows = len(columns)
    step = max(1, _AT_ONCE // rows)
    parts = [
        columns[random.integers(0, rows, (min(step, RESAMPLES - start), rows))].mean(axis=1)
        for start in range(0, RESAMPLES, step)
    ]
    return np.concatenate(parts)


def _estimate(value: float, resampled: npt.NDArray[np.float64], n: int) -> Estimate:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    # Of a single value all resamples are the same but for rounding.
    return Estimate(value, min(float(low), value), max(float(high), value), n)
