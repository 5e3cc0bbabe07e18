"""Stage `dpo`: direct preference optimisation (Rafailov et al. 2023) on the pairs, by TRL.

The checkpoint is written below ``dpo/`` and is what `export` takes from then on.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from training import checkpoints, trl_parts
from training.checkpoints import Progress
from training.pairs import read_pairs
from training.recipe import Recipe, Run


class _OfTokens(DPOTrainer):
    """Takes ``prompt_ids``, ``chosen_ids`` and ``rejected_ids`` as they are."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


def train(recipe: Recipe, run: Run, device: str = "cpu") -> Progress | None:
    """None where the recipe wants no preferences. Resumes from TRL's own checkpoints."""
    settings = recipe.preferences
    if not settings.shards:
        return None
    pairs = read_pairs(run.root / "preferences")
    if not pairs:
        raise FileNotFoundError(f"no pairs in {run.root / 'preferences'}; run the stage preferences first")
    part = run.preferred
    dataset = Dataset.from_list(
        [{"prompt_ids": p.prompt, "chosen_ids": p.chosen, "rejected_ids": p.rejected} for p in pairs]
    )
    arguments = DPOConfig(
        per_device_train_batch_size=settings.batch,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        beta=settings.beta,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        precompute_ref_log_probs=True,  # the reference is the model as it begins: no second copy in memory
        **trl_parts.common_options(recipe, part, device),
    )
    trainer = _OfTokens(
        model=trl_parts.build_model(recipe, run, checkpoints.newest(run)),
        args=arguments,
        train_dataset=dataset,
        processing_class=trl_parts.end_alone(recipe, run),
    )
    return trl_parts.train(recipe, part, trainer, "dpo")
