"""The wait before the model is asked follows the user's typing, and is none where it would not help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.completion.rhythm import LONGEST_WAIT_SECONDS, Rhythm, wait_seconds

TYPING = [0.12] * 12


@pytest.mark.parametrize(
    ("latency", "since_key", "wait"),
    [
        (0.0, 0.0, 0.12),
        (0.05, 0.0, 0.07),
        (0.3, 0.0, 0.0),  # a slow answer is not made slower
        (0.0, 0.1, 0.02),
        (0.0, 0.25, 0.0),  # the editor has waited already
    ],
)
def test_it_fills_what_the_rhythm_leaves(latency: float, since_key: float, wait: float) -> None:
    assert wait_seconds(TYPING, latency, since_key) == pytest.approx(wait)


def test_a_slow_typist_does_not_wait_long() -> None:
    assert wait_seconds([0.8] * 12, 0.0, 0.0) == LONGEST_WAIT_SECONDS


def test_nothing_is_waited_for_before_the_rhythm_is_known() -> None:
    assert wait_seconds(TYPING[:3], 0.0, 0.0) == 0.0
    assert Rhythm().wait(0.0) == 0.0


def test_pauses_for_thinking_are_no_rhythm() -> None:
    rhythm = Rhythm()
    now = 0.0
    for number in range(20):
        now += 30.0 if number % 5 == 0 else 0.1
        rhythm.key(now)
    assert rhythm.wait(now) == pytest.approx(0.1)


def test_the_latency_follows_the_answers() -> None:
    rhythm = Rhythm()
    for number in range(20):
        rhythm.key(number / 10)
    for _ in range(30):
        rhythm.answered(0.06)
    assert rhythm.wait(1.9) == pytest.approx(0.04, abs=0.001)


seconds = st.floats(0, 10)


@given(st.lists(seconds, max_size=30), seconds, seconds)
def test_it_is_bounded_and_never_grows_with_the_latency(
    gaps: list[float], latency: float, since_key: float
) -> None:
    wait = wait_seconds(gaps, latency, since_key)
    assert 0.0 <= wait <= LONGEST_WAIT_SECONDS
    assert wait_seconds(gaps, latency + 0.1, since_key) <= wait
