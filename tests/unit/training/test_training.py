"""The dry run: a tiny random model is trained, stopped, resumed, exported and judged in seconds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'training' (torch, transformers)")
pytest.importorskip("transformers", reason="needs the extra 'training' (torch, transformers)")

from training import checkpoints, corpus, fim, model, objective, quantisation, sft
from training.corpus import build
from training.holes import make_holes
from training.recipe import Recipe, Run


@pytest.fixture
def ready(recipe: Recipe, run: Run) -> Run:
    build.build(recipe, run)
    fim.build(recipe, run)
    return run


def events(run: Run, kind: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [row for row in rows if row["event"] == kind]


def test_a_run_learns_ends_by_its_budget_and_resumes(recipe: Recipe, ready: Run) -> None:
    recipe = replace(recipe, sft=replace(recipe.sft, learning_rate=3e-3))
    half = replace(recipe, sft=replace(recipe.sft, planned_tokens=2048))
    assert sft.train(half, ready).tokens == 2048
    done = sft.train(recipe, ready)
    assert (done.step, done.tokens) == (8, 4096)
    assert [row["step"] for row in events(ready, "start")] == [0, 4]
    losses = [float(str(row["validation_loss"])) for row in events(ready, "validation")]
    assert losses[-1] < losses[0]


def test_a_file_named_stop_ends_a_run_with_a_checkpoint(recipe: Recipe, ready: Run) -> None:
    (ready.root / "STOP").touch()
    assert sft.train(recipe, ready).step == 0
    assert checkpoints.newest(ready) is not None


def test_a_checkpoint_that_is_there_is_not_written_again(recipe: Recipe, ready: Run) -> None:
    (ready.root / "STOP").touch()
    sft.train(recipe, ready)
    first = checkpoints.newest(ready)
    assert first is not None
    written = (first / "model.safetensors").stat().st_mtime_ns
    sft.train(recipe, ready)
    assert (first / "model.safetensors").stat().st_mtime_ns == written


def test_examples_in_one_row_do_not_see_each_other() -> None:
    tiny = model.tiny_random(300).eval()
    first, second = torch.arange(20, 50), torch.arange(100, 140)
    together = model.hidden_states(tiny, torch.cat([first, second]), [30, 40])
    alone = model.hidden_states(tiny, second, [40])
    assert torch.allclose(together[30:], alone, atol=1e-5)
    other = model.hidden_states(tiny, torch.cat([first + 1, second]), [30, 40])
    assert torch.allclose(together[30:], other[30:], atol=1e-5)
    assert not torch.allclose(together[:30], other[:30], atol=1e-3)


def test_short_and_long_examples_are_attended_to_alike() -> None:
    q, k, v = torch.randn(3, 1, 2, 640, 16).unbind()
    ours, _ = model.packed_attention(torch.nn.Module(), q, k, v, None, 0.25, lengths=[40, 600])
    fused = [
        torch.nn.functional.scaled_dot_product_attention(*part, is_causal=True, scale=0.25)
        for part in zip(*(t.split([40, 600], dim=2) for t in (q, k, v)), strict=True)
    ]
    assert torch.allclose(ours, torch.cat(fused, dim=2).transpose(1, 2), atol=1e-5)


def test_all_middle_positions_are_trained_on_and_the_rest_is_drawn() -> None:
    weights = np.full(200, 0.3, dtype=np.float32)
    weights[0], weights[150:180] = 0, 1
    positions = objective.loss_positions(weights, 80, np.random.default_rng(1))
    assert len(positions) == 80
    assert set(range(150, 180)) <= set(positions.tolist())
    assert 0 not in positions


def test_the_learning_rate_warms_up_stays_and_decays_to_nothing(recipe: Recipe) -> None:
    settings = replace(recipe.sft, warmup_share=0.1)
    factors = [sft.learning_rate_factor(settings, share, 0.6) for share in (0.05, 0.3, 0.6, 0.8, 1.0)]
    assert factors == pytest.approx([0.5, 1, 1, 0.5, 0])
    assert sft.learning_rate_factor(settings, 0.9, -1) == 1


def test_rounding_to_4_bits_is_llama_cpps() -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    weights = torch.randn(16, 96) * 0.1
    weights[0, :32] = 0
    packed = quantize(weights.numpy(), GGMLQuantizationType.Q4_0)
    theirs = dequantize(packed, GGMLQuantizationType.Q4_0)
    assert np.array_equal(quantisation.round_q4_0(weights).numpy(), theirs)


def test_gradients_reach_the_masters_and_the_masters_come_back() -> None:
    tiny = model.tiny_random(300)
    masters = [p.clone() for p in tiny.parameters()]
    with quantisation.served_weights(tiny, "Q4_0"):
        rounded = tiny.model.layers[0].mlp.up_proj.weight.clone()
        model.hidden_states(tiny, torch.arange(10, 40), [30]).sum().backward()
    assert not torch.equal(rounded, tiny.model.layers[0].mlp.up_proj.weight)
    assert tiny.model.layers[0].mlp.up_proj.weight.grad is not None
    assert all(torch.equal(a, b) for a, b in zip(masters, tiny.parameters(), strict=True))


def test_holes_are_the_same_for_the_same_seed_and_spread_over_packages(recipe: Recipe, ready: Run) -> None:
    tokeniser = fim.open_tokeniser(recipe, ready)
    documents = list(corpus.read_documents(ready.corpus / "train.jsonl"))
    first = make_holes(documents, 12, 1, tokeniser.count)
    assert first == make_holes(documents, 12, 1, tokeniser.count)
    assert first != make_holes(documents, 12, 2, tokeniser.count)
