"""Stage `grpo`: group relative policy optimisation (Shao et al. 2024) by verifiable rewards, by TRL.

The model answers a hole several times; `training.rewards` says of every answer how right it is, whether it
ended by itself, whether the file still parses; answers that are better than the others of their hole become
likelier. The checkpoint is written below ``grpo/`` and is what `export` takes from then on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from training import checkpoints, fim, trl_parts
from training.checkpoints import Progress
from training.corpus import read_documents
from training.recipe import Recipe, Run
from training.rewards import judge_answer
from training.tokens import Tokeniser

Reward = Callable[..., list[float]]


class _OfTokens(GRPOTrainer):
    """Takes prompts that are token ids already."""

    def _tokenize_prompts(self, prompts: list[list[int]]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return prompts, None, {}


def train(recipe: Recipe, run: Run, device: str = "cpu") -> Progress | None:
    """None where the recipe wants none. Resumes from TRL's own checkpoints."""
    settings = recipe.grpo
    if not settings.holes:
        return None
    tokeniser = fim.open_tokeniser(recipe, run)
    holes = choose_holes(recipe, run, tokeniser)
    part = run.reinforced
    prompts = [
        {"prompt": tokeniser.encode_prompt(hole.prompt), "hole": number} for number, hole in enumerate(holes)
    ]
    arguments = GRPOConfig(
        per_device_train_batch_size=settings.answers * settings.holes_per_step,
        num_generations=settings.answers,
        max_completion_length=settings.max_new_tokens,
        temperature=settings.temperature,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        beta=settings.beta,
        gradient_checkpointing=False,
        **trl_parts.common_options(recipe, part, device),
    )
    before = checkpoints.newest(run.preferred) or checkpoints.newest(run)
    trainer = _OfTokens(
        model=trl_parts.build_model(recipe, run, before),
        reward_funcs=[reward_for(holes, tokeniser)],
        args=arguments,
        train_dataset=Dataset.from_list(prompts),
        processing_class=trl_parts.end_alone(recipe, run),
    )
    return trl_parts.train(recipe, part, trainer, "grpo")


def choose_holes(recipe: Recipe, run: Run, tokeniser: Tokeniser) -> list[fim.Rendered]:
    """Holes of the training files that leave something to be said; the same for the same seed."""
    documents = [d for d in read_documents(run.corpus / "train.jsonl") if d.split == "train"]
    rng = random.Random(f"{recipe.seed} grpo")
    source = (hole for hole in fim.examples(recipe.fim, documents, tokeniser, rng) if hole.middle.strip())
    return fim.take(source, recipe.grpo.holes)


def reward_for(holes: Sequence[fim.Rendered], tokeniser: Tokeniser) -> Reward:
    """What TRL calls: rewards of answers in tokens, by the numbers of the holes that were asked."""

    def reward(completion_ids: list[list[int]], hole: list[int], **_: Any) -> list[float]:
        return [
            judge_answer(tokeniser, holes[number], *_without_end(said, tokeniser.end)).reward
            for said, number in zip(completion_ids, hole, strict=True)
        ]

    return reward


def _without_end(said: list[int], end: int) -> tuple[list[int], bool]:
    return (said[: said.index(end)], True) if end in said else (said, False)
