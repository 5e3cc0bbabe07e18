"""A job for a machine without network: packed, carried, run in the background, brought back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'training' (torch, transformers)")
pytest.importorskip("transformers", reason="needs the extra 'training' (torch, transformers)")

from training import checkpoints, export, fim
from training import model as models
from training.corpus import build
from training.gpu_job import parts, trainer, weights
from training.gpu_job.pack import pack
from training.gpu_job.unpack import unpack
from training.recipe import Recipe, Run

PART = 150_000


def test_parts_join_to_what_they_were_cut_from(tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(bytes(range(256)) * 50)
    written = parts.split(source, tmp_path / "parts", 5000)
    assert [p.name for p in written] == ["weights.000", "weights.001", "weights.002", "weights.json"]
    assert parts.complete(tmp_path / "parts") == ["weights"]
    assert parts.join(tmp_path / "parts", "weights", tmp_path / "again").read_bytes() == source.read_bytes()


def test_a_bundle_is_not_there_before_its_last_part_and_a_damaged_part_is_named(tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(b"x" * 12_000)
    written = parts.split(source, tmp_path / "parts", 5000)
    written[1].write_bytes(b"y" * 5000)
    with pytest.raises(parts.BrokenPart, match=r"weights\.001 is damaged"):
        parts.join(tmp_path / "parts", "weights", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    written[1].unlink()
    assert parts.complete(tmp_path / "parts") == []


@pytest.mark.parametrize("kind", ["F32", "F16", "Q8_0", "Q4_0", "Q4_1"])
def test_blocks_are_read_as_ggufs_own_library_reads_them(kind: str) -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    values = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
    packed = quantize(values, GGMLQuantizationType[kind])
    raw = torch.from_numpy(np.ascontiguousarray(packed).view(np.uint8).reshape(-1))
    theirs = dequantize(packed, GGMLQuantizationType[kind])
    assert np.allclose(weights.dequantise(raw, kind, [4, 64]).numpy(), theirs, atol=1e-6)


@pytest.mark.parametrize("mode", ["dense", "flex"])
def test_examples_of_a_batch_see_neither_their_neighbours_nor_other_rows(mode: str) -> None:
    tiny = models.tiny_random(300).eval()
    first, second = torch.arange(20, 50), torch.arange(100, 150)
    alone = models.hidden_states(tiny, second, [50])
    tiny.set_attn_implementation(trainer.ATTENTION)
    rows = torch.stack([torch.cat([first, second]), torch.arange(80)])
    documents = torch.stack([torch.tensor([0] * 30 + [1] * 50), torch.zeros(80, dtype=torch.long)])
    positions = torch.stack([torch.cat([torch.arange(30), torch.arange(50)]), torch.arange(80)])
    packing = trainer._packing(documents, 80, mode)
    with torch.no_grad():
        hidden = tiny.model(input_ids=rows, position_ids=positions, packing=packing).last_hidden_state
    assert torch.allclose(hidden[0, 30:], alone, atol=1e-5)


def test_a_way_to_compute_that_fails_gives_place_to_the_next(
    ready: tuple[Recipe, Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe, run = ready
    model = checkpoints.build_model(recipe, run, None)
    about = {"sft": asdict(recipe.sft), "seed": 1}
    config = model.config.to_dict() | {"dtype": None}
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    chosen = {name: config[name] for name in (*sizes, "num_key_value_heads", "tie_word_embeddings")}
    tensors = model.state_dict()
    one = trainer.Trainer(tensors, chosen, about, run.shards, torch.device("cpu"), tmp_path / "metrics.jsonl")

    def broken(*_: object) -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setitem(trainer.MODES, "cpu", ("flex", "dense"))
    monkeypatch.setattr(trainer.torch, "compile", broken)
    assert one.settle() == "dense"
    assert "no compiler" in capsys.readouterr().out
    one.step(0.5)
    assert one.steps == 1


@pytest.fixture
def ready(recipe: Recipe, run: Run) -> tuple[Recipe, Run]:
    """A run whose base is a real GGUF of the tiny architecture."""
    build.build(recipe, run)
    fim.build(recipe, run)
    exported = export.export(recipe, run)["Q8_0"]
    shutil.copy(exported, run.base / "small.gguf")
    settings = replace(recipe.sft, rows_per_step=2, learning_rate=3e-3, served_weights="Q4_0")
    base = replace(recipe.base, file="small.gguf", tiny=False)
    return replace(recipe, base=base, markers={}, sft=settings), run


def test_the_packed_weights_are_those_of_the_base(ready: tuple[Recipe, Run], tmp_path: Path) -> None:
    recipe, run = ready
    pack(recipe, run, tmp_path / "parts", 4, PART)
    joined = parts.join(tmp_path / "parts", "weights.safetensors", tmp_path / "weights")
    tensors, config = weights.read(joined)
    model = checkpoints.build_model(recipe, run, None)
    for name, tensor in model.state_dict().items():
        if name != "lm_head.weight":
            assert torch.allclose(tensor, tensors[name], atol=1e-6), name
    assert config["num_key_value_heads"] == model.config.num_key_value_heads


def test_a_job_trains_in_the_background_while_shards_arrive_and_comes_back_as_a_checkpoint(
    ready: tuple[Recipe, Run], tmp_path: Path
) -> None:
    recipe, run = ready
    packed, there, work, results = (tmp_path / n for n in ("packed", "there", "work", "results"))
    pack(recipe, run, packed, 6, PART)
    assert all(path.stat().st_size <= PART for path in packed.iterdir())
    late = [path for path in packed.iterdir() if path.name.startswith("shard--")]
    there.mkdir()
    for path in packed.iterdir():
        if path not in late:
            shutil.copy(path, there)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    arguments = [str(p) for p in (packed / "start.sh", there, work, results)]
    subprocess.run(["bash", *arguments, "0.6", "cpu"], check=True, env=environment, cwd=tmp_path)
    for path in late:
        shutil.copy(path, there)
    status: dict[str, object] = {}
    deadline = time.monotonic() + 110
    while status.get("stage") not in ("done", "failed") and time.monotonic() < deadline:
        time.sleep(0.2)
        if (results / "status.json").exists():
            status = json.loads((results / "status.json").read_text())
        if int(str(status.get("steps", 0))) >= 20:
            (work / "STOP").touch()
    assert status["stage"] == "done", (results / "job.log").read_text()[-2000:]
    assert int(str(status["steps"])) > 0
    scores = status["scores"]
    assert isinstance(scores, dict)
    assert scores["holes"] == 6
    fresh = Run(tmp_path / "back")
    shutil.copytree(run.base, fresh.base)
    fresh.shards.symlink_to(run.shards)
    unpack(fresh, results)
    export.export(recipe, fresh)
    proof = json.loads((fresh.export / "proof.json").read_text())
    assert proof["quantisations"]["F16"]["kl_nats"] < 1e-3
    before = checkpoints.build_model(recipe, run, None).state_dict()
    after = checkpoints.build_model(recipe, fresh, checkpoints.newest(fresh)).state_dict()
    assert any(not torch.allclose(before[name], after[name], atol=1e-3) for name in before)
