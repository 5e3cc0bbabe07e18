"""What is exported computes what was trained: models, quantisations, adapters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'training' (torch, transformers)")
pytest.importorskip("transformers", reason="needs the extra 'training' (torch, transformers)")

from training import base, checkpoints, export, fim, importance, proof, quantisation, sft
from training.corpus import build
from training.recipe import Base, Export, Lora, Recipe, RecipeError, Run
from training.shards import read_shard


@pytest.fixture
def ready(recipe: Recipe, run: Run) -> Run:
    build.build(recipe, run)
    fim.build(recipe, run)
    return run


@pytest.fixture
def exported(recipe: Recipe, ready: Run, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Of weights that are large enough for attention, and with it the order of its rotary rows, to decide."""
    strong = checkpoints.build_model(recipe, ready, None)
    with torch.no_grad():
        for parameter in quantisation.quantised_parameters(strong):
            parameter.mul_(8)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "build_model", lambda *_: strong)
        return export.export(recipe, ready)


def test_the_exported_gguf_computes_what_the_weights_do(ready: Run, exported: dict[str, Path]) -> None:
    found = json.loads((ready.export / "proof.json").read_text())
    assert exported.keys() == {"F16", "Q8_0"}
    assert found["same_tokens"]
    assert found["quantisations"]["F16"]["kl_nats"] < 1e-3
    assert found["quantisations"]["F16"]["top1_agreement"] > 0.97
    assert found["ships"] == "Q8_0"
    assert "| Q8_0 |" in (ready.export / "table.md").read_text()


def test_columns_that_are_used_more_are_rounded_more_carefully(
    recipe: Recipe, ready: Run, exported: dict[str, Path], tmp_path: Path
) -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize

    def matrix(path: Path) -> np.ndarray:
        tensor = next(t for t in GGUFReader(path).tensors if t.name == "blk.0.attn_q.weight")
        return dequantize(tensor.data, tensor.tensor_type)

    weights = np.zeros(64, dtype=np.float32) + 1e-6
    weights[5] = 1.0
    importance.quantise(exported["F16"], tmp_path / "plain.gguf", "Q4_0")
    importance.quantise(exported["F16"], tmp_path / "careful.gguf", "Q4_0", {"blk.0.attn_q.weight": weights})
    exact = matrix(exported["F16"])
    error = {n: np.abs(matrix(tmp_path / f"{n}.gguf") - exact)[:, 5].mean() for n in ("plain", "careful")}
    assert error["careful"] < 0.8 * error["plain"]


def test_the_importance_of_a_column_is_the_mean_square_of_its_inputs(recipe: Recipe, ready: Run) -> None:
    model = checkpoints.build_model(recipe, ready, None)
    examples = read_shard(ready.shards / "validation" / "0000.npz")[:1]
    measured = importance.measure(model, examples)
    assert len(measured) == 2 * 7  # layers, matrices of a layer
    embedded = model.model.embed_tokens(torch.from_numpy(examples[0].tokens))
    inputs = model.model.layers[0].input_layernorm(embedded)
    expected = inputs.square().mean(dim=0).detach().numpy()
    assert measured["blk.0.attn_q.weight"] == pytest.approx(expected, rel=1e-4)


def lora_run(recipe: Recipe, run: Run, model: Path, tmp_path: Path) -> tuple[Recipe, Run]:
    """A recipe that tunes ``model`` by LoRA, and its run folder with the shards of ``run``."""
    tuned = replace(
        recipe,
        base=Base(file="base.gguf", path=str(model)),
        markers={},
        lora=Lora(rank=4, alpha=8.0),
        sft=replace(recipe.sft, learning_rate=2e-2, planned_tokens=3072),
        export=Export(quantisations=("Q8_0",), ship="auto"),
    )
    target = Run(tmp_path / "lora")
    base.fetch(tuned, target)
    target.shards.symlink_to(run.shards)
    return tuned, target


def test_an_adapter_is_trained_resumed_and_served_beside_its_base(
    recipe: Recipe, ready: Run, exported: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="needs the extra 'training' (peft)")
    tuned, run = lora_run(recipe, ready, exported["F16"], tmp_path)
    before = checkpoints.build_model(tuned, run, None).state_dict()
    half = replace(tuned, sft=replace(tuned.sft, planned_tokens=1536))
    sft.train(half, run)
    assert sft.train(tuned, run).step == 6
    after = checkpoints.build_model(tuned, run, checkpoints.newest(run)).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(".lora_" in name for name in changed)
    checkpoint = checkpoints.newest(run)
    assert checkpoint is not None
    assert (checkpoint / "adapter.safetensors").stat().st_size < 100_000
    files = export.export(tuned, run)
    rows = json.loads((run.export / "proof.json").read_text())["quantisations"]
    assert rows["base with lora"]["kl_nats"] < 1e-3
    assert rows["F16"]["kl_nats"] < 1e-3  # the merged model
    # The adapter does something: without it the base is another model.
    model = checkpoints.build_model(tuned, run, checkpoint)
    examples = read_shard(run.shards / "validation" / "0000.npz")
    assert proof.prove(model, run.base / "base.gguf", examples)["kl_nats"] > 1e-2
    assert files["lora"].stat().st_size < files["F16"].stat().st_size


def test_a_mixture_of_experts_is_packed_adapted_and_left_for_llama_cpps_converter(
    recipe: Recipe, ready: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft", reason="needs the extra 'training' (peft)")
    transformers = pytest.importorskip("transformers", minversion="5.20", reason="needs Mellum2")
    from training import lora
    from training import model as models

    config = transformers.MellumConfig(
        vocab_size=300, hidden_size=64, intermediate_size=96, moe_intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_experts=4, num_experts_per_tok=2,
        sliding_window=16, layer_types=["sliding_attention", "full_attention"], use_cache=False,
    )  # fmt: skip
    torch.manual_seed(0)
    mixture = transformers.MellumForCausalLM(config).eval()
    first, second = torch.arange(20, 60), torch.arange(100, 170)
    with torch.no_grad():
        alone = mixture.model(input_ids=second[None]).last_hidden_state[0]
        mixture.set_attn_implementation(models.ATTENTION)
        packed = models.hidden_states(mixture, torch.cat([first, second]), [40, 70])[40:]
    assert torch.allclose(alone, packed, atol=1e-5)
    tuned = replace(recipe, lora=Lora(rank=2, targets=("q_proj", "v_proj")))
    lora.inject(mixture, tuned.lora)
    with torch.no_grad():
        for name, parameter in mixture.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
        adapted = models.hidden_states(mixture, second, [70])
    assert not torch.allclose(adapted, alone, atol=1e-2)
    monkeypatch.setattr(checkpoints, "build_model", lambda *_: mixture)
    merged = export.export(tuned, ready)["merged"]
    again = models.load_from_hub_format(str(merged)).eval()
    with torch.no_grad():
        loaded = models.hidden_states(again, second, [70])
    assert torch.nn.functional.cosine_similarity(loaded, adapted).min() > 0.99  # bfloat16


def test_auto_ships_the_fastest_of_the_files_that_lose_little() -> None:
    def row(kl: float, speed: float, size: float) -> dict[str, float]:
        return {"kl_nats": kl, "milliseconds_per_token": speed, "megabytes": size}

    rows = {
        "F16": row(0, 20, 270),
        "Q8_0": row(0.01, 11, 145),
        "Q4_0": row(0.2, 7, 92),
        "Q5": row(0.014, 9, 99),
    }
    assert proof.choose(rows, "auto") == "Q5"
    assert proof.choose(rows, "Q4_0") == "Q4_0"


def test_a_base_that_is_not_there_is_named(recipe: Recipe, tmp_path: Path) -> None:
    missing = replace(recipe, base=Base(path="nowhere.gguf"))
    with pytest.raises(RecipeError, match=r"nowhere\.gguf"):
        base.fetch(missing, Run(tmp_path))
