"""Stage `pretrain`: all text alike, half of it with holes, from scratch or from the base; then comes `sft`.

The same loop as `sft` with the recipe's ``[pretrain]``, on ``shards/pretrain``, with checkpoints and metrics
below ``pretrain/``; it is resumed in the same way.
"""

from __future__ import annotations

from dataclasses import replace

from training import sft
from training.checkpoints import Progress
from training.recipe import Lora, Recipe, Run


def train(recipe: Recipe, run: Run, minutes: float | None = None, device: str = "cpu") -> Progress | None:
    """None where the recipe wants no pretraining."""
    if recipe.pretrain is None:
        return None
    part = run.pretrain
    part.root.mkdir(parents=True, exist_ok=True)
    for name in ("shards", "base"):  # its own checkpoints, the run's data
        if not (part.root / name).exists():
            (part.root / name).symlink_to((run.root / name).resolve())
    settings = replace(recipe.pretrain, mix={"pretrain": 1.0})
    return sft.train(replace(recipe, sft=settings, lora=Lora()), part, minutes, device)
