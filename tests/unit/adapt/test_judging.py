"""An adapter serves only where the figures show that it is better."""

from __future__ import annotations

import random

import pytest

from mellum_lsp.adapt.judging import FEWEST_HOLES, judge
from mellum_lsp.bench.scores import FIGURES


def scores(values: list[float], exact: list[float] | None = None) -> list[dict[str, float]]:
    exact = exact or [0.0] * len(values)
    return [dict.fromkeys(FIGURES, 0.0) | {"chrf": v, "exact": e} for v, e in zip(values, exact, strict=True)]


ALONE = [random.Random(i).uniform(0, 60) for i in range(80)]


def noise(index: int) -> float:
    return random.Random(-1 - index).uniform(-25, 25)


@pytest.mark.parametrize(
    ("gain", "better"),
    [
        (lambda i: 5.0, True),
        (lambda i: noise(i) + 8, True),
        (noise, False),
        (lambda i: 0.0, False),
        (lambda i: -5.0, False),
    ],
)
def test_the_interval_of_the_difference_decides(gain: object, better: bool) -> None:
    adapted = [value + gain(i) for i, value in enumerate(ALONE)]
    judgement = judge(scores(ALONE), scores(adapted))
    assert judgement.better is better, judgement.reason
    assert (judgement.difference["chrf"].low > 0) is better
    assert f"on {len(ALONE)} held-out holes" in judgement.reason


def test_a_few_holes_prove_nothing() -> None:
    few = ALONE[: FEWEST_HOLES - 1]
    judgement = judge(scores(few), scores([value + 20 for value in few]))
    assert not judgement.better
    assert "only 19 holes" in judgement.reason


def test_what_fills_fewer_holes_exactly_is_not_better() -> None:
    right = [1.0] * 40 + [0.0] * 40
    wrong = [1.0] * 20 + [0.0] * 60
    judgement = judge(scores(ALONE, right), scores([value + 5 for value in ALONE], wrong))
    assert not judgement.better
    assert "fewer holes are filled exactly" in judgement.reason
