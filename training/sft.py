"""Stage `sft`: full fine-tuning on packed rows, to a time or token budget, resumable from any checkpoint.

float32 master weights under bf16 autocast; loss weight 1 on middles and their end of text, less on the rest;
a warm-up–stable–decay schedule over the *share of the budget that is spent*, so it ends well at any speed. A
file named ``DECAY`` in the run folder begins the decay at once, ``STOP`` ends the run with a checkpoint.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from training import model as models
from training.fim import open_tokeniser
from training.quantisation import served_weights
from training.recipe import Recipe, Run, Sft
from training.shards import Example, Row, RowStream, read_shard

MARKER_MEANINGS = {
    "<fim_prefix>": "before the caret prefix",
    "<fim_suffix>": "after the caret suffix",
    "<fim_middle>": "code middle",
    "<fim_pad>": " padding",
}
"""Words whose mean embedding a renamed marker starts from."""


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


def train(recipe: Recipe, run: Run, minutes: float | None = None, device: str = "cpu") -> Progress:
    """Trains until the budget is spent; continues from the newest checkpoint where there is one."""
    settings = recipe.sft
    torch.set_num_threads(settings.threads)
    torch.manual_seed(recipe.seed)
    checkpoint = newest_checkpoint(run)
    model = build_model(recipe, run, checkpoint).to(device)
    model.train()
    optimiser = torch.optim.AdamW(
        models.parameters_in_groups(model, settings.weight_decay),
        lr=settings.learning_rate,
        betas=settings.betas,
        fused=True,
    )
    progress, data_state = Progress(), {}
    if checkpoint:
        state = torch.load(checkpoint / "state.pt", map_location=device, weights_only=True)
        optimiser.load_state_dict(state["optimiser"])
        progress, data_state = Progress(**state["progress"]), state["data"]
        print(f"sft: continuing from {checkpoint.name}: {progress}", flush=True)
    stream = RowStream(
        run.shards,
        settings.mix,
        settings.row_tokens,
        settings.other_text_weight,
        recipe.seed,
        data_state,
        settings.end_weight,
    )
    validation = read_shard(run.shards / "validation" / "0000.npz")[: recipe.fim.validation_examples]
    budget = Budget(settings, minutes)
    rng = np.random.default_rng(recipe.seed + progress.step)
    log = Log(run.metrics)
    log.write(event="start", config=asdict(recipe), resumed=bool(checkpoint), **asdict(progress))
    last_checkpoint = turn_began = time.monotonic()
    smooth: dict[str, float] = {}
    while True:
        share = budget.share(progress)
        if share >= 1 or (run.root / "STOP").exists():
            break
        began = time.monotonic()
        if progress.decay_from < 0 and ((run.root / "DECAY").exists() or share >= 1 - settings.decay_share):
            progress.decay_from = share
        rate = settings.learning_rate * learning_rate_factor(settings, share, progress.decay_from)
        for group in optimiser.param_groups:
            group["lr"] = rate
        row = stream.next_row()
        kind = settings.served_weights if share >= settings.served_weights_from_share else ""
        with served_weights(model, kind):
            loss, middle_loss = step(model, row, settings, rng, device)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
        seconds = time.monotonic() - began
        progress.step += 1
        progress.tokens += len(row.tokens)
        progress.middle_tokens += int((row.weights >= 1).sum())
        for key, value in (("loss", loss), ("middle_loss", middle_loss), ("seconds", seconds)):
            smooth[key] = 0.95 * smooth.get(key, value) + 0.05 * value
        if progress.step % 5 == 0:
            log.write(
                event="step", step=progress.step, tokens=progress.tokens, share=round(share, 4),
                learning_rate=rate, gradient_norm=float(norm), loss=round(smooth["loss"], 4),
                middle_loss=round(smooth["middle_loss"], 4),
                tokens_per_second=round(len(row.tokens) / smooth["seconds"], 1),
            )  # fmt: skip
        if progress.step % settings.validate_every == 0:
            with served_weights(model, kind):
                scores = validate(model, validation)
            log.write(event="validation", step=progress.step, tokens=progress.tokens, weights=kind, **scores)
        if time.monotonic() - last_checkpoint > settings.checkpoint_minutes * 60:
            save_checkpoint(run, recipe, model, optimiser, progress, stream)
            last_checkpoint = time.monotonic()
        now = time.monotonic()
        progress.seconds += now - turn_began
        turn_began = now
    save_checkpoint(run, recipe, model, optimiser, progress, stream)
    log.write(event="end", **asdict(progress))
    return progress


def step(
    model: LlamaForCausalLM, row: Row, settings: Sft, rng: np.random.Generator, device: str
) -> tuple[float, float]:
    """Forward and backward of one row; returns its weighted loss and the loss on its middles, in nats."""
    positions = loss_positions(row.weights, settings.loss_positions, rng)
    weights = torch.from_numpy(row.weights[positions]).to(device)
    tokens = torch.from_numpy(row.tokens).to(device)
    at = torch.from_numpy(positions).to(device)
    with torch.autocast(device, dtype=torch.bfloat16):
        hidden = models.hidden_states(model, tokens, row.lengths)
        logits = model.lm_head(hidden[at - 1])
    losses = torch.nn.functional.cross_entropy(logits.float(), tokens[at], reduction="none")
    loss = (losses * weights).sum() / weights.sum().clamp_min(1.0)
    loss.backward()
    middles = losses.detach()[weights >= 1]
    return float(loss.detach()), float(middles.mean()) if len(middles) else 0.0


def loss_positions(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` positions: every one of full weight first, the rest drawn from other weighted positions."""
    full = np.flatnonzero(weights >= 1)
    other = np.flatnonzero((weights > 0) & (weights < 1))
    if len(full) >= count:
        return np.sort(rng.choice(full, count, replace=False))
    drawn = rng.choice(other, min(count - len(full), len(other)), replace=False)
    return np.sort(np.concatenate([full, drawn]))


def learning_rate_factor(settings: Sft, share: float, decay_from: float) -> float:
    """Warm-up, then constant, then linear to zero between ``decay_from`` and the end of the budget."""
    decay = 1 - decay_from if decay_from >= 0 else 0.0
    return models.schedule_factor(share, settings.warmup_share, decay)


class Budget:
    """How much of the plan is spent: of the minutes, or of the planned tokens, whichever is more."""

    def __init__(self, settings: Sft, minutes: float | None) -> None:
        self._planned = settings.planned_tokens
        self._seconds = 60 * (settings.minutes if minutes is None else minutes)

    def share(self, progress: Progress) -> float:
        by_time = progress.seconds / self._seconds
        by_tokens = progress.tokens / self._planned if self._planned else 0.0
        return max(by_time, by_tokens)


@torch.no_grad()
def validate(model: LlamaForCausalLM, examples: list[Example]) -> dict[str, float]:
    """Mean loss on middles in nats a token, and the share of middle tokens ranked first, on a fixed set."""
    model.eval()
    total, right, count = 0.0, 0, 0
    device = next(model.parameters()).device
    for example in examples:
        tokens = torch.from_numpy(example.tokens).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            hidden = models.hidden_states(model, tokens[:-1], [len(tokens) - 1])
            logits = model.lm_head(hidden[example.middle - 1 :]).float()
        targets = tokens[example.middle :]
        total += float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
        right += int((logits.argmax(-1) == targets).sum())
        count += len(targets)
    model.train()
    return {"validation_loss": round(total / count, 4), "validation_top1": round(right / count, 4)}


def build_model(recipe: Recipe, run: Run, checkpoint: Path | None) -> LlamaForCausalLM:
    """The checkpoint's weights, or the base with its renamed tokens initialised."""
    tokeniser = open_tokeniser(recipe, run)
    if recipe.base.tiny:
        model = models.tiny_random(tokeniser.size, recipe.seed)
    else:
        model = models.load_from_gguf(run.base / recipe.base.file)
    if checkpoint:
        model.load_state_dict(load_file(checkpoint / "model.safetensors"), strict=False)
        model.tie_weights()
        return model
    # A base that has the markers by name was trained with them: continuing from a model of ours keeps them.
    new = [m for m in recipe.markers if not tokeniser.knows(m)]
    sources = {recipe.markers[m]: tokeniser.encode(MARKER_MEANINGS.get(m, m)) for m in new}
    models.initialise_renamed_tokens(model, sources)
    return model


def newest_checkpoint(run: Run) -> Path | None:
    found = sorted(p for p in run.checkpoints.glob("step-*") if (p / "state.pt").exists())
    return found[-1] if found else None


def save_checkpoint(
    run: Run,
    recipe: Recipe,
    model: LlamaForCausalLM,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    stream: RowStream,
    keep: int = 2,
) -> Path:
    """Weights, optimiser, data position, config; complete or absent. Keeps the newest ``keep``."""
    target = run.checkpoints / f"step-{progress.step:07d}"
    partial = target.with_name("partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    weights = {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    save_file({k: v.contiguous() for k, v in weights.items()}, partial / "model.safetensors")
    state: dict[str, Any] = {
        "optimiser": optimiser.state_dict(),
        "progress": asdict(progress),
        "data": stream.snapshot(),
    }
    torch.save(state, partial / "state.pt")
    (partial / "config.json").write_text(json.dumps(asdict(recipe), indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    for old in sorted(run.checkpoints.glob("step-*"))[:-keep]:
        shutil.rmtree(old)
    return target


class Log:
    """Appends one JSON object a line, with the seconds since the epoch."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, **values: Any) -> None:
        self._file.write(json.dumps({"time": round(time.time(), 1), **values}) + "\n")
