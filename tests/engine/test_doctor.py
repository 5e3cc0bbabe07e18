"""``mellum-lsp doctor`` tells what the engine chose and measured, and learns what weights cost here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mellum_lsp.cli.doctor import doctor
from mellum_lsp.diagnosis import speed
from mellum_lsp.diagnosis.random_model import Shape


def test_it_tells_threads_batches_and_sequences(tiny_model: Path) -> None:
    result = CliRunner().invoke(doctor, ["--model", str(tiny_model), "--json"])
    (engine,) = [check for check in json.loads(result.output)["checks"] if check["name"] == "engine"]
    facts = engine["facts"]
    assert facts["threads"] >= 1
    assert facts["gpu_layers"] == 0
    assert facts["sequences"] == 4
    assert str(facts["micro_batch_tokens"]) in engine["detail"]
    assert set(facts["batch_ms"]) >= {"1", "8", "16"}
    assert "no layers on a GPU" in engine["detail"]


def test_it_completes_with_the_model_and_tells_how_long_that_took(tiny_model: Path) -> None:
    result = CliRunner().invoke(doctor, ["--model", str(tiny_model), "--json"])
    document = json.loads(result.output)
    (found,) = [check for check in document["checks"] if check["name"] == "speed"]
    assert found["facts"]["measured_jump_ms"] and min(found["facts"]["measured_jump_ms"]) > 0
    assert "after a jump" in found["detail"]
    assert {model["name"] for model in document["models"]} >= {"nano-135m", "mellum-4b-sft-all"}


@pytest.fixture
def small_probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wide = Shape(layers=2, hidden=512, heads=8, kv_heads=8, feed_forward=1024, vocabulary=300, context=1024)
    thin = Shape(layers=6, hidden=64, heads=2, kv_heads=2, feed_forward=64, vocabulary=300, context=1024)
    monkeypatch.setattr(speed, "WIDE", wide)
    monkeypatch.setattr(speed, "THIN", thin)
    monkeypatch.setattr(speed, "_ROUNDS", 1)


@pytest.mark.usefixtures("small_probes")
def test_what_weights_cost_is_measured_and_kept(tmp_path: Path) -> None:
    assert speed.kept_speed() is None
    seen: list[float] = []
    measured = speed.measure_speed(seen.append)
    assert set(measured.weights) == {"Q4_0", "Q4_K_M", "Q8_0"}
    for costs in measured.weights.values():
        assert costs.prefill_ns > 0 and costs.decode_ns > 0
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert speed.kept_speed() == measured
    kept = tmp_path / "mellum-lsp" / "speed.json"
    kept.write_text(kept.read_text().replace(measured.machine, "another"))
    assert speed.kept_speed() is None, "of another machine"
    kept.write_text("no JSON")
    assert speed.kept_speed() is None
