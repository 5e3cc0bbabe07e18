"""Reinforcement by verifiable rewards: what they say of an answer, and that a model comes to earn more."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

for needed in ("torch", "transformers", "trl"):
    pytest.importorskip(needed, reason="needs the extra 'training'")

import torch

from training import checkpoints, fim, grpo, sft
from training.corpus import build
from training.recipe import Grpo, Recipe, Run


@pytest.fixture
def tuned(recipe: Recipe, run: Run) -> tuple[Recipe, Run]:
    settings = Grpo(
        holes=16, answers=8, holes_per_step=4, max_new_tokens=8, learning_rate=4e-3, epochs=5, temperature=1.2
    )
    recipe = replace(recipe, grpo=settings, sft=replace(recipe.sft, planned_tokens=1024))
    build.build(recipe, run)
    fim.build(recipe, run)
    sft.train(recipe, run)
    return recipe, run


def test_the_right_answer_that_ends_has_the_full_reward(tuned: tuple[Recipe, Run]) -> None:
    recipe, run = tuned
    tokeniser = fim.open_tokeniser(recipe, run)
    holes = grpo.choose_holes(recipe, run, tokeniser)
    reward = grpo.reward_for(holes, tokeniser)
    truth = [[*tokeniser.encode(hole.middle), tokeniser.end] for hole in holes]
    numbers = list(range(len(holes)))
    assert reward(completion_ids=truth, hole=numbers) == pytest.approx([1.0] * len(holes))
    endless = reward(completion_ids=[said[:-1] for said in truth], hole=numbers)
    assert endless == pytest.approx([0.8] * len(holes))
    nothing = reward(completion_ids=[[tokeniser.end]] * len(holes), hole=numbers)
    assert max(nothing) < 0.5


def test_holes_are_the_same_for_the_same_seed(tuned: tuple[Recipe, Run]) -> None:
    recipe, run = tuned
    tokeniser = fim.open_tokeniser(recipe, run)
    first = grpo.choose_holes(recipe, run, tokeniser)
    assert first == grpo.choose_holes(recipe, run, tokeniser)
    assert first != grpo.choose_holes(replace(recipe, seed=4), run, tokeniser)


def test_answers_come_to_earn_more(tuned: tuple[Recipe, Run]) -> None:
    recipe, run = tuned
    assert grpo.train(recipe, run) is not None
    rows = [json.loads(line) for line in run.reinforced.metrics.read_text().splitlines()]
    earned = [row["reward"] for row in rows if "reward" in row]
    assert len(earned) == 20  # 16 holes, 4 a step, 5 times
    assert sum(earned[-5:]) > sum(earned[:5])
    checkpoint = checkpoints.latest(run)
    assert checkpoint is not None
    assert checkpoint.parent == run.reinforced.checkpoints
    before = checkpoints.build_model(recipe, run, checkpoints.newest(run)).state_dict()
    after = checkpoints.build_model(recipe, run, checkpoint).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
