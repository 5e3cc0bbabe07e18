"""Stage `sft`: tuning on packed rows, full or LoRA, to a time or token budget, resumable from any checkpoint.

The same recipe runs on CPU, one GPU or many: ``accelerate launch -m training sft …`` shares the rows of a
step among processes (data parallel, or FSDP by accelerate's own settings). A warm-up-stable-decay schedule
follows the *share of the budget that is spent*, so it ends well at any speed. A file named ``DECAY`` in the
run folder begins the decay at once, ``STOP`` ends the run with a checkpoint.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import checkpoints
from training import model as models
from training.checkpoints import Progress
from training.machine import Machine
from training.objective import Objective, inputs
from training.progress import Meter
from training.quantisation import served_weights
from training.recipe import Recipe, RecipeError, Run, Sft
from training.report import write_curve
from training.shards import Example, RowStream, read_shard


def train(recipe: Recipe, run: Run, minutes: float | None = None, device: str = "cpu") -> Progress:
    """Trains until the budget is spent; continues from the newest checkpoint where there is one."""
    session = Session(recipe, run, minutes, device)
    meter = Meter("sft")
    try:
        while not session.is_over():
            meter.show(session.step(), session.note())
    finally:
        meter.close()
    session.save()
    session.log.write(event="end", **asdict(session.progress))
    if session.machine.is_main:
        write_curve(run.metrics, run.root / "learning-curve.png")
    return session.progress


class Session:
    """One process's part of a run, from a checkpoint on."""

    def __init__(self, recipe: Recipe, run: Run, minutes: float | None, device: str) -> None:
        settings = recipe.sft
        self.recipe, self.run, self.settings = recipe, run, settings
        self.machine = Machine(device, settings.threads)
        _check(recipe, self.machine)
        torch.manual_seed(recipe.seed)
        checkpoint = checkpoints.newest(run)
        model = checkpoints.build_model(recipe, run, checkpoint)
        if settings.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
        self._model = model
        optimiser = torch.optim.AdamW(
            models.parameters_in_groups(model, settings.weight_decay),
            lr=settings.learning_rate,
            betas=settings.betas,
            fused=True,
        )
        self._objective, self._optimiser = self.machine.prepare(Objective(model), optimiser)
        self.progress = Progress()
        state: dict[str, Any] = {}
        if checkpoint:
            state, self.progress = checkpoints.load_state(checkpoint, "cpu")
            self.machine.load_optimiser(self._optimiser, self._objective, state["optimiser"])
            print(f"sft: continuing from {checkpoint.name}: {self.progress}", flush=True)
        self._stream = RowStream(
            run.shards,
            settings.mix,
            settings.row_tokens,
            settings.other_text_weight,
            recipe.seed,
            state.get("data", {}),
            settings.end_weight,
        )
        held_back = read_shard(run.shards / "validation" / "0000.npz")
        self._validation = held_back[: recipe.fim.validation_examples]
        self._budget = Budget(settings, minutes)
        self._rng = np.random.default_rng(recipe.seed + self.progress.step)
        self._smooth: dict[str, float] = {}
        self.log = Log(run.metrics if self.machine.is_main else None)
        resumed = {"resumed": bool(checkpoint), **asdict(self.progress)}
        self.log.write(event="start", config=asdict(recipe), **resumed)
        self._last_checkpoint = time.monotonic()
        self._clock = WorkingTime(counts_cpu=self.machine.device.type == "cpu")

    def is_over(self) -> bool:
        over = self._budget.share(self.progress) >= 1 or (self.run.root / "STOP").exists()
        return self.machine.agree(over)

    def note(self) -> str:
        """How it goes, in a few words."""
        rate = self.settings.row_tokens * self.settings.rows_per_step / self._smooth["seconds"]
        return f"step {self.progress.step}, middles {self._smooth['middle_loss']:.3f}, {rate:.0f} tokens/s"

    def step(self) -> float:
        """One optimiser step, and whatever is due after it: a line of metrics, validation, a checkpoint.

        Returns the share of the budget that was spent when it began.
        """
        settings, progress = self.settings, self.progress
        share = self._budget.share(progress)
        began = time.monotonic()
        decays = (self.run.root / "DECAY").exists() or share >= 1 - settings.decay_share
        if progress.decay_from < 0 and self.machine.agree(decays):
            progress.decay_from = share
        rate = settings.learning_rate * learning_rate_factor(settings, share, progress.decay_from)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        kind = settings.served_weights if share >= settings.served_weights_from_share else ""
        with served_weights(self._model, kind):
            loss, middle_loss, middle_tokens = self._gradients()
        norm = self.machine.clip(self._objective, settings.clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=False)
        seconds = time.monotonic() - began
        progress.step += 1
        tokens = settings.row_tokens * settings.rows_per_step
        progress.tokens += tokens
        progress.middle_tokens += middle_tokens
        for key, value in (("loss", loss), ("middle_loss", middle_loss), ("seconds", seconds)):
            self._smooth[key] = 0.95 * self._smooth.get(key, value) + 0.05 * value
        if progress.step % 5 == 0:
            self.log.write(
                event="step", step=progress.step, tokens=progress.tokens, share=round(share, 4),
                learning_rate=rate, gradient_norm=norm, loss=round(self._smooth["loss"], 4),
                middle_loss=round(self._smooth["middle_loss"], 4),
                tokens_per_second=round(tokens / self._smooth["seconds"], 1),
            )  # fmt: skip
        if progress.step % settings.validate_every == 0:
            self._validate(kind)
        late = time.monotonic() - self._last_checkpoint > settings.checkpoint_minutes * 60
        if self.machine.agree(late):
            self.save()
        progress.seconds += self._clock.lap()
        return share

    def save(self) -> None:
        """A checkpoint, by the main process; the others wait."""
        adapters = bool(self.recipe.lora.rank)
        weights, optimiser = self.machine.gathered(self._objective, self._optimiser, adapters)
        if self.machine.is_main:
            state = {"optimiser": optimiser, "data": self._stream.snapshot()}
            checkpoints.save(self.run, self.recipe, weights, state, self.progress)
        self.machine.wait()
        self._last_checkpoint = time.monotonic()

    def _gradients(self) -> tuple[float, float, int]:
        """Forward and backward of this process's rows; mean losses over them, middle tokens of all rows."""
        settings, machine = self.settings, self.machine
        rows = [self._stream.next_row() for _ in range(settings.rows_per_step)]
        mine = rows[machine.rank :: machine.processes]
        losses = np.zeros(2)
        for index, row in enumerate(mine):
            with machine.accumulating(self._objective, index < len(mine) - 1):
                batch = inputs(row, settings.loss_positions, self._rng, machine.device)
                with machine.autocast():
                    loss, middle_loss = self._objective(*batch)
                machine.backward(loss / len(mine))
            losses += [float(loss.detach()), float(middle_loss)]
        loss, middle_loss = losses / len(mine)
        return float(loss), float(middle_loss), sum(int((row.weights >= 1).sum()) for row in rows)

    def _validate(self, kind: str) -> None:
        with served_weights(self._model, kind):
            scores = validate(self._objective, self._validation, self.machine)
        progress = self.progress
        self.log.write(event="validation", step=progress.step, tokens=progress.tokens, weights=kind, **scores)


def _check(recipe: Recipe, machine: Machine) -> None:
    settings = recipe.sft
    if settings.rows_per_step % machine.processes:
        raise RecipeError(
            f"[sft] rows_per_step = {settings.rows_per_step}: {machine.processes} processes cannot share it"
        )
    if settings.served_weights and (recipe.lora.rank or machine.processes > 1):
        raise RecipeError("[sft] served_weights needs full tuning in one process")


@torch.no_grad()
def validate(objective: Any, examples: list[Example], machine: Machine) -> dict[str, float]:
    """Mean loss on middles in nats a token on a fixed set, through the module that is trained."""
    objective.eval()
    total, count = 0.0, 0
    for example in examples:
        positions = np.arange(example.middle, len(example.tokens))
        tokens = torch.from_numpy(example.tokens).to(machine.device)
        weights = torch.ones(len(positions), device=machine.device)
        at = torch.from_numpy(positions).to(machine.device)
        with machine.autocast():
            loss, _ = objective(tokens, [len(tokens)], at, weights)
        total += float(loss) * len(positions)
        count += len(positions)
    objective.train()
    return {"validation_loss": round(total / max(count, 1), 4)}


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
        by_time = progress.seconds / self._seconds if self._seconds else 1.0
        by_tokens = progress.tokens / self._planned if self._planned else 0.0
        return max(by_time, by_tokens)


class WorkingTime:
    """Seconds of work. On a CPU those in which this process was stopped, or given no time, do not count."""

    def __init__(self, counts_cpu: bool) -> None:
        self._counts_cpu = counts_cpu
        self._began = self._now()

    def lap(self) -> float:
        """The seconds since the last lap."""
        before, self._began = self._began, self._now()
        wall, computed = (now - then for now, then in zip(self._began, before, strict=True))
        return min(wall, computed) if self._counts_cpu else wall

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.monotonic(), time.process_time()


class Log:
    """Appends one JSON object a line, with the seconds since the epoch; None: writes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, **values: Any) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"time": round(time.time(), 1), **values}) + "\n")
