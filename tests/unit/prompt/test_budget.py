"""Measured speed and the latency target become limits in tokens."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.prompt.budget import (
    FEWEST_TOKENS,
    LONGEST_FULL_TOKENS,
    SHORTEST_MICRO_TOKENS,
    Budget,
    Capacity,
    PlanSettings,
    full_budget,
    micro_budget,
)

LAPTOP = Capacity(context_tokens=8192, prefill_tokens_per_second=450, decode_tokens_per_second=110)
WORKSTATION = Capacity(context_tokens=32768, prefill_tokens_per_second=6000, decode_tokens_per_second=150)


def test_a_micro_prompt_can_be_evaluated_and_begun_to_be_answered_within_the_target() -> None:
    tokens = micro_budget(LAPTOP).total_tokens
    assert 80 <= tokens <= 110
    assert tokens / 450 + 10 / 110 <= 0.3


def test_on_a_slow_machine_it_shows_no_project_context() -> None:
    assert micro_budget(LAPTOP).context_tokens == 0
    assert micro_budget(WORKSTATION).context_tokens > 0


def test_however_slow_the_machine_some_lines_are_shown() -> None:
    slow = Capacity(8192, prefill_tokens_per_second=20, decode_tokens_per_second=4)
    assert micro_budget(slow).total_tokens == SHORTEST_MICRO_TOKENS


def test_a_full_prompt_takes_seconds_at_most_to_warm() -> None:
    assert full_budget(LAPTOP).total_tokens / 450 <= 2.5
    busy = Capacity(8192, prefill_tokens_per_second=120, decode_tokens_per_second=30)
    assert full_budget(busy).context_tokens > 0
    assert full_budget(busy).total_tokens / 120 <= 10
    assert full_budget(WORKSTATION).total_tokens == LONGEST_FULL_TOKENS


@pytest.mark.parametrize(
    ("machine", "capacity", "wanted", "full", "micro"),
    [
        # Machine, (context, prefill, decode), contextTokens, tokens of the full and of the micro prompt, and
        # how many of each are for project context.
        ("4B on a laptop", (4096, 15, 3), None, (256, 0), (64, 0)),
        ("4B on eight cores", (4096, 60, 8), None, (600, 210), (64, 0)),
        ("nano, two cores busy", (4096, 250, 60), None, (1024, 359), (64, 0)),
        ("nano, two cores", (4096, 450, 110), None, (1125, 395), (89, 0)),
        ("nano, fast cores", (4096, 900, 130), None, (2250, 877), (191, 0)),
        ("nano, fast cores, longer context", (8192, 900, 130), None, (2250, 877), (191, 0)),
        ("GPU, small context", (4096, 5000, 100), None, (3936, 1678), (950, 334)),
        ("GPU, large context", (32768, 5000, 100), None, (8192, 5440), (950, 334)),
        ("GPU, less wanted", (32768, 5000, 100), 1000, (1000, 350), (950, 334)),
        ("nano, more wanted", (4096, 450, 110), 3500, (3500, 1471), (89, 0)),
        ("nano, more wanted than there is", (4096, 450, 110), 9999, (3936, 1678), (89, 0)),
        ("nano, very little wanted", (4096, 450, 110), 80, (80, 0), (80, 0)),
        ("a model with little context", (1024, 450, 110), None, (864, 303), (89, 0)),
        ("one with hardly any", (200, 450, 110), None, (40, 0), (40, 0)),
    ],
)
def test_budgets_by_machine(
    machine: str,
    capacity: tuple[int, float, float],
    wanted: int | None,
    full: tuple[int, int],
    micro: tuple[int, int],
) -> None:
    settings = PlanSettings(context_tokens=wanted, reply_tokens=160)
    budgets = [make(Capacity(*capacity), settings) for make in (full_budget, micro_budget)]
    assert [(budget.total_tokens, for_context(budget)) for budget in budgets] == [full, micro], machine


def for_context(budget: Budget) -> int:
    """What is left for project context beside a window that uses all it may."""
    window = budget.prefix_tokens + budget.suffix_tokens + budget.typing_tokens
    return min(budget.context_tokens, budget.total_tokens - window)


def test_a_prompt_has_the_whole_context_but_for_its_reply() -> None:
    """The next one, which is evaluated beside it, has a context of its own."""
    fast = Capacity(4096, prefill_tokens_per_second=6000, decode_tokens_per_second=150)
    assert full_budget(fast).total_tokens + PlanSettings().reply_tokens == 4096


def test_the_models_context_bounds_the_prompt_and_leaves_room_for_the_reply() -> None:
    small = Capacity(1024, prefill_tokens_per_second=6000, decode_tokens_per_second=150)
    settings = PlanSettings(reply_tokens=200)
    assert full_budget(small, settings).total_tokens == 824
    assert full_budget(small, PlanSettings(context_tokens=4000, reply_tokens=200)).total_tokens == 824


def test_a_user_may_want_shorter_or_longer_prompts() -> None:
    assert full_budget(LAPTOP, PlanSettings(context_tokens=700)).total_tokens == 700
    assert full_budget(LAPTOP, PlanSettings(context_tokens=6000)).total_tokens == 6000
    assert micro_budget(LAPTOP, PlanSettings(context_tokens=70)).total_tokens == 70


def test_a_longer_target_allows_a_longer_micro_prompt() -> None:
    longer = micro_budget(LAPTOP, PlanSettings(latency_target_ms=600))
    assert longer.total_tokens > 2 * micro_budget(LAPTOP).total_tokens


@given(
    st.builds(
        Capacity,
        context_tokens=st.integers(0, 200_000),
        prefill_tokens_per_second=st.floats(0, 1e6),
        decode_tokens_per_second=st.floats(0, 1e5),
    ),
    st.builds(
        PlanSettings,
        context_tokens=st.none() | st.integers(0, 100_000),
        latency_target_ms=st.floats(0, 10_000),
        reply_tokens=st.integers(0, 1000),
    ),
)
def test_every_limit_lies_within_the_total(capacity: Capacity, settings: PlanSettings) -> None:
    full, micro = full_budget(capacity, settings), micro_budget(capacity, settings)
    assert micro.total_tokens <= full.total_tokens
    for budget in (full, micro):
        assert budget.total_tokens >= FEWEST_TOKENS
        assert budget.prefix_tokens + budget.suffix_tokens + budget.typing_tokens <= budget.total_tokens
        assert all(getattr(budget, field.name) >= 0 for field in fields(Budget))


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 24 tokens, not 23"):
        Budget(23, 1, 1, 1, 1, 1)
