"""Stage `dpo`: direct preference optimisation (Rafailov et al. 2023) on the pairs, by TRL.

The checkpoint is written below ``dpo/`` and is what `export` takes from then on.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from training import checkpoints
from training.checkpoints import Progress
from training.pairs import read_pairs
from training.recipe import Recipe, Run
from training.trl_parts import end_alone, finish


class _OfTokens(DPOTrainer):  # type: ignore[misc]
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
    model = checkpoints.build_model(recipe, run, checkpoints.newest(run))
    model.set_attn_implementation("sdpa")
    dataset = Dataset.from_list(
        [{"prompt_ids": p.prompt, "chosen_ids": p.chosen, "rejected_ids": p.rejected} for p in pairs]
    )
    arguments = DPOConfig(
        output_dir=str(part.root / "trl"),
        per_device_train_batch_size=settings.batch,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        beta=settings.beta,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        precompute_ref_log_probs=True,  # the reference is the model as it begins: no second copy in memory
        use_cpu=device == "cpu",
        bf16=device != "cpu",
        seed=recipe.seed,
        logging_steps=1,
        save_steps=50,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = _OfTokens(
        model=model, args=arguments, train_dataset=dataset, processing_class=end_alone(recipe, run)
    )
    trainer.train(resume_from_checkpoint=any((part.root / "trl").glob("checkpoint-*")) or None)
    return finish(recipe, part, trainer, "dpo")
