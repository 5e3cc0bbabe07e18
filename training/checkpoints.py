"""Checkpoints of a run: weights (or adapters), optimiser, data position and recipe; complete or absent."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training import model as models
from training.fim import open_tokeniser
from training.recipe import Recipe, Run

MARKER_MEANINGS = {
    "<fim_prefix>": "before the caret prefix",
    "<fim_suffix>": "after the caret suffix",
    "<fim_middle>": "code middle",
    "<fim_pad>": " padding",
}
"""Words whose mean embedding a renamed marker starts from."""
WEIGHTS, ADAPTER, STATE = "model.safetensors", "adapter.safetensors", "state.pt"


@dataclass
class Progress:
    """What a checkpoint remembers beside weights, optimiser and data position."""

    step: int = 0
    tokens: int = 0
    middle_tokens: int = 0
    seconds: float = 0.0
    """Seconds spent training (validation and checkpoints included), over all resumed parts."""
    decay_from: float = -1.0
    """Share of the budget at which the decay began, or -1."""


def build_model(recipe: Recipe, run: Run, checkpoint: Path | None) -> Any:
    """The checkpoint's weights, or the base with its renamed tokens initialised; with adapters if wanted."""
    base = recipe.base
    dtype = getattr(torch, base.dtype)
    tokeniser = open_tokeniser(recipe, run)
    if checkpoint is None:
        checkpoint = newest(run.pretrain)
    if base.tiny:
        model = models.tiny_random(tokeniser.size, recipe.seed)
    elif base.scratch:
        model = models.from_scratch(tokeniser.size, base.scratch, recipe.seed)
    elif base.weights:
        model = models.load_from_hub_format(base.weights, dtype)
    else:
        model = models.load_from_gguf(run.base / base.file, dtype)
    if checkpoint and (checkpoint / WEIGHTS).exists():
        model.load_state_dict(load_file(checkpoint / WEIGHTS), strict=False)
        model.tie_weights()
    else:
        # A base that has the markers by name was trained with them and keeps its embeddings.
        new = [] if base.scratch else [m for m in recipe.markers if not tokeniser.knows(m)]
        sources = {recipe.markers[m]: tokeniser.encode(MARKER_MEANINGS.get(m, m)) for m in new}
        models.initialise_renamed_tokens(model, sources)
    if recipe.lora.rank:
        from training import lora

        torch.manual_seed(recipe.seed)
        lora.inject(model, recipe.lora)
        if checkpoint and (checkpoint / ADAPTER).exists():
            lora.load(model, load_file(checkpoint / ADAPTER))
    return model


def newest(run: Run) -> Path | None:
    found = sorted(p for p in run.checkpoints.glob("step-*") if (p / STATE).exists())
    return found[-1] if found else None


def latest(run: Run) -> Path | None:
    """The newest checkpoint of the last part of the run that has one."""
    return newest(run.reinforced) or newest(run.preferred) or newest(run)


def save(
    run: Run,
    recipe: Recipe,
    weights: dict[str, torch.Tensor],
    state: dict[str, Any],
    progress: Progress,
    keep: int = 2,
) -> Path:
    """Keeps the newest ``keep``. ``state``: optimiser and data position."""
    target = run.checkpoints / f"step-{progress.step:07d}"
    if (target / STATE).exists():  # nothing was trained since; a reader may be at it
        return target
    partial = target.with_name("partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    name = ADAPTER if recipe.lora.rank else WEIGHTS
    save_file({k: v.contiguous() for k, v in weights.items() if k != "lm_head.weight"}, partial / name)
    torch.save({**state, "progress": asdict(progress)}, partial / STATE)
    (partial / "config.json").write_text(json.dumps(asdict(recipe), indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    for old in sorted(run.checkpoints.glob("step-*"))[:-keep]:
        shutil.rmtree(old)
    return target


def load_state(checkpoint: Path, device: str) -> tuple[dict[str, Any], Progress]:
    """``(optimiser and data position, progress)``."""
    state = torch.load(checkpoint / STATE, map_location=device, weights_only=True)
    return state, Progress(**state.pop("progress"))
