"""``mellum-lsp doctor`` tells what the engine chose and measured."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from mellum_lsp.cli.doctor import doctor


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
