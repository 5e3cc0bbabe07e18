"""One recipe on several processes: the rows of a step are shared, and the result is one model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'training' (torch, transformers)")
pytest.importorskip("accelerate", reason="needs the extra 'training' (accelerate)")

from training import checkpoints, fim, sft
from training.corpus import build
from training.recipe import Recipe, RecipeError, Run

PROJECT = Path(__file__).parents[3]
FSDP = {  # what `accelerate launch --use_fsdp` sets for its processes; on CPUs it refuses to
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}


def launch(recipe: Path, run: Run, settings: dict[str, str]) -> None:
    """As accelerate launches: two processes that find each other through the environment."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    script = str(PROJECT / "training" / "__main__.py")
    command = [*torchrun, "--", script, "sft", "--recipe", str(recipe), "--run", str(run.root)]
    cpu = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        command, env={**os.environ, **cpu, **settings}, cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-6000:]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, FSDP], ids=["data parallel", "fsdp"])
def test_two_processes_train_resume_and_save_one_model(
    recipe: Recipe, recipe_text: str, run: Run, tmp_path: Path, settings: dict[str, str]
) -> None:
    build.build(recipe, run)
    fim.build(recipe, run)
    path = tmp_path / "shared.toml"
    shared = recipe_text.replace("row_tokens = 512", "row_tokens = 512\nrows_per_step = 2")
    path.write_text(shared.replace("planned_tokens = 4096", "planned_tokens = 2048"))
    launch(path, run, settings)
    path.write_text(shared)
    launch(path, run, settings)
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [row["step"] for row in rows if row["event"] == "start"] == [0, 2]
    assert [row["tokens"] for row in rows if row["event"] == "end"] == [2048, 4096]
    trained = checkpoints.build_model(recipe, run, checkpoints.newest(run))
    names = set(dict(trained.named_parameters()))
    from safetensors.torch import load_file

    newest = checkpoints.newest(run)
    assert newest is not None
    assert names - {"lm_head.weight"} <= set(load_file(newest / "model.safetensors"))


def test_rows_that_cannot_be_shared_are_refused(
    recipe: Recipe, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = type("Two", (), {"processes": 2})()
    with pytest.raises(RecipeError, match="rows_per_step"):
        sft._check(recipe, machine)
    quantised = replace(recipe, sft=replace(recipe.sft, rows_per_step=2, served_weights="Q4_0"))
    with pytest.raises(RecipeError, match="served_weights"):
        sft._check(quantised, machine)
