"""A job's results → a checkpoint of its run: ``python -m training unpack --recipe R --run RUN --out DIR``."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from training.checkpoints import STATE, WEIGHTS, Progress
from training.gpu_job.parts import join
from training.recipe import Run


def unpack(run: Run, results: Path) -> Path:
    """Joins and checks the weights; appends the job's metrics to the run's.

    The checkpoint serves `export` and `evaluate`. Training cannot go on from it (the optimiser stayed
    behind): take the exported file as the next run's base.
    """
    status = json.loads((results / "status.json").read_text(encoding="utf-8"))
    if status["stage"] != "done":
        raise ValueError(f"the job is not done: {status}")
    target = run.checkpoints / f"step-{status['steps']:07d}"
    join(results, "model.safetensors", target / WEIGHTS)
    progress = Progress(step=status["steps"], tokens=status["tokens"], seconds=status["seconds"])
    torch.save({"progress": vars(progress)}, target / STATE)
    run.root.mkdir(parents=True, exist_ok=True)
    with run.metrics.open("a", encoding="utf-8") as file:
        file.write((results / "metrics.jsonl").read_text(encoding="utf-8"))
    print(f"unpack: {target}: {status['scores']}", flush=True)
    return target
