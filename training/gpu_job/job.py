"""The job itself, on the machine with the GPU: joins, trains, judges, writes. torch and transformers only.

``status.json`` in the results says at any time what is going on; ``results`` are parts under 16 MiB.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from training.gpu_job import parts, weights
from training.gpu_job.judge import judge
from training.gpu_job.trainer import Trainer
from training.quantisation import served_weights
from training.shards import read_shard

RESULT_BYTES = 15 << 20
_JUDGING_SHARE, _MOST_JUDGING_SECONDS = 0.12, 90.0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="for everything, start to results")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    options.results.mkdir(parents=True, exist_ok=True)
    status = Status(options.results / "status.json")
    try:
        run(options, status, began)
    except BaseException as error:
        status.say("failed", error=f"{type(error).__name__}: {error}")
        raise


def run(options: argparse.Namespace, status: Status, began: float) -> None:
    """Everything in order; the last share of the minutes is kept for judging and writing."""
    status.say("joining")
    wait_for(options.parts, ("weights.safetensors", "settings.zip"))
    tensors, config = weights.read(parts.join(options.parts, "weights.safetensors", options.work / "weights"))
    settings_zip = parts.join(options.parts, "settings.zip", options.work / "settings.zip")
    with zipfile.ZipFile(settings_zip) as archive:
        archive.extractall(options.work)
    about = json.loads((options.work / "settings.json").read_text(encoding="utf-8"))
    shards = options.work / "shards"
    watcher = threading.Thread(target=keep_joining, args=(options.parts, shards), daemon=True)
    take_shards(options.parts, shards)
    watcher.start()
    seconds = 60 * options.minutes
    kept = min(_JUDGING_SHARE * seconds, _MOST_JUDGING_SECONDS)
    trainer = Trainer(
        tensors, config, about, shards, torch.device(options.device), options.results / "metrics.jsonl"
    )
    trainer.validation = read_shard(options.work / "validation.npz")
    status.say("settling")
    status.say("training", mode=trainer.settle())
    trainer.began = time.monotonic()
    deadline = began + seconds - kept
    while time.monotonic() < deadline and not (options.work / "STOP").exists():
        trainer.step(share=1 - (deadline - time.monotonic()) / (deadline - trainer.began))
        if trainer.steps % 20 == 0:
            status.say("training", **trainer.summary())
    status.say("judging", **trainer.summary())
    kind = about["sft"]["served_weights"]
    with served_weights(trainer.model, kind):
        scores = judge(trainer.model, read_shard(options.work / "holes.npz"), about, began + seconds)
        write_results(trainer.model, options.work, options.results)
    status.say("done", scores=scores, **trainer.summary())


def wait_for(folder: Path, names: tuple[str, ...]) -> None:
    while not set(names) <= set(parts.complete(folder)):
        time.sleep(0.5)


def take_shards(folder: Path, shards: Path) -> None:
    """Joins the shards that are complete and not there yet."""
    for name in parts.complete(folder):
        if name.startswith("shard--"):
            _, mix, file = name.split("--")
            target = shards / mix / file
            if not target.exists():
                parts.join(folder, name, target)


def keep_joining(folder: Path, shards: Path) -> None:
    while True:
        try:
            take_shards(folder, shards)
        except parts.BrokenPart as error:
            print(f"job: {error}", flush=True)
        time.sleep(2)


def write_results(model: Any, work: Path, results: Path) -> None:
    """The weights as they are served, in half precision: 4-bit weights are the same again when rounded."""
    tensors = {k: v.detach().half().cpu().contiguous() for k, v in model.state_dict().items()}
    tensors.pop("lm_head.weight", None)
    path = work / "model.safetensors"
    save_file(tensors, path)
    parts.split(path, results, RESULT_BYTES)


class Status:
    """What the job is doing, for whoever looks from outside."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = time.monotonic()

    def say(self, stage: str, **values: Any) -> None:
        row = {"stage": stage, "seconds": round(time.monotonic() - self._began, 1), **values}
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(row), encoding="utf-8")
        partial.rename(self._path)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
