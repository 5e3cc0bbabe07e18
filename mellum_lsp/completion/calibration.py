"""From recorded outcomes to thresholds: how sure a model must be for what it says to be right often enough.

A model's joint probability is its own estimate of being right. How far it can be trusted is seen from
outcomes: of all that was as sure as this, how much was right? Outcomes are counted in bins of probability,
made to rise by pooling adjacent violators (Ayer et al. 1955, isotonic regression), and the threshold is where
the share of right ones reaches the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mellum_lsp.completion.thresholds import Form, Thresholds

BINS = 20
TARGETS = {Form.LINE: 0.5, Form.BLOCK: 0.6, Form.MID_LINE: 0.5, Form.WORD: 0.6}
"""What share of suggestions at the threshold itself must be right; above it, more are. A block costs more to
read than a line and a bare word gains less, so both must be right more often."""
LEAST_OUTCOMES = 80
"""A form with fewer outcomes is judged by those of all forms together."""
HIGHEST = 0.95
"""The threshold where no probability keeps the target."""


class Recorded(NamedTuple):
    """What became of one suggestion: its form, its joint probability, and whether all of it was right."""

    form: Form
    probability: float
    right: bool


class Count(NamedTuple):
    """The outcomes in one bin of probability."""

    all: int = 0
    right: int = 0

    def __add__(self, other: object) -> Count:
        assert isinstance(other, Count)
        return Count(self.all + other.all, self.right + other.right)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Outcomes of a model: for each form, `BINS` counts of equal width from probability 0 to 1."""

    counts: Mapping[Form, Sequence[Count]]

    @classmethod
    def of(cls, recorded: Iterable[Recorded]) -> Calibration:
        """The calibration that ``recorded`` outcomes make."""
        counts = {form: [Count()] * BINS for form in Form}
        for form, probability, right in recorded:
            at = min(BINS - 1, int(probability * BINS))
            counts[form][at] += Count(1, int(right))
        return cls(counts)

    def with_more(self, other: Calibration) -> Calibration:
        """All outcomes of both."""
        return Calibration(
            {
                form: [a + b for a, b in zip(self.counts[form], other.counts[form], strict=True)]
                for form in Form
            }
        )

    @property
    def outcomes(self) -> int:
        return sum(count.all for counts in self.counts.values() for count in counts)

    def thresholds(self, targets: Mapping[Form, float] = TARGETS) -> Thresholds:
        """The lowest threshold of each form at which the share of right outcomes reaches its target."""
        pooled = [sum((self.counts[form][at] for form in Form), Count()) for at in range(BINS)]

        def threshold(form: Form) -> float:
            own = self.counts[form]
            enough = sum(count.all for count in own) >= LEAST_OUTCOMES
            return lowest_reaching(own if enough else pooled, targets[form])

        return Thresholds(*(threshold(form) for form in (Form.LINE, Form.BLOCK, Form.MID_LINE, Form.WORD)))


def lowest_reaching(counts: Sequence[Count], target: float) -> float:
    """The lower edge of the lowest bin whose fitted share is at least ``target``; without one `HIGHEST`."""
    return next(
        (at / len(counts) for at, share in enumerate(rising(counts)) if share >= target),
        HIGHEST,
    )


def rising(counts: Sequence[Count]) -> list[float]:
    """The share of right outcomes in each bin, as the closest fit that never falls.

    An empty bin has the share of the bin below it: nothing speaks for more.
    """
    pools: list[tuple[Count, int]] = []
    for count in counts:
        pool, bins = count, 1
        while pools and _share(pools[-1][0]) >= _share(pool):
            below, width = pools.pop()
            pool, bins = below + pool, bins + width
        pools.append((pool, bins))
    return [_share(pool) for pool, bins in pools for _ in range(bins)]


def _share(count: Count) -> float:
    return count.right / count.all if count.all else 0.0
