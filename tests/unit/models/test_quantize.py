"""Models are made smaller in a process of their own; what fails leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf

from mellum_lsp.models.quantize import QuantizationFailed, quantize
from mellum_lsp.models.resolve import resolve
from mellum_lsp.models.store import all_pulled, origin_of


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return write_tiny_gguf(tmp_path / "tiny.gguf")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mellum_lsp", "models", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_progress_runs_to_the_end_and_the_file_is_smaller(model: Path) -> None:
    seen: list[float] = []
    target = model.with_name("small.gguf")
    quantize(model, target, "Q8_0", 1, seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert target.stat().st_size < model.stat().st_size


def test_what_is_no_model_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(b"GGUF, but no more than that")
    with pytest.raises(QuantizationFailed, match="models verify"):
        quantize(tmp_path / "no.gguf", tmp_path / "small.gguf", "Q4_0", 1)
    assert [file.name for file in tmp_path.iterdir()] == ["no.gguf"]


def test_a_quantised_model_has_a_name_of_its_own_and_goes_again(model: Path) -> None:
    done = run("quantize", str(model), "q8_0", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "tiny-q8_0"
    assert resolve("tiny-q8_0").path == all_pulled()["tiny-q8_0"]
    origin = origin_of("tiny-q8_0")
    assert origin and origin.quantized_from == "tiny"
    listed = json.loads(run("list", "--json").stdout)["models"]
    assert next(row["title"] for row in listed if row["name"] == "tiny-q8_0") == "quantised here from tiny"
    again = run("quantize", "tiny-q8_0", "q8_0")
    assert again.returncode == 0 and "is quantised already" in again.stderr.replace("\n", " ")
    assert run("rm", "tiny-q8_0-q8_0").returncode == 0
    assert run("rm", "tiny-q8_0").returncode == 0
    assert all_pulled() == {}


def test_a_changed_file_is_noticed(model: Path) -> None:
    run("quantize", str(model), "q8_0")
    stored = all_pulled()["tiny-q8_0"]
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    checked = run("verify", "tiny-q8_0")
    assert checked.returncode == 1
    assert "is not the file that was stored" in checked.stderr


@pytest.mark.parametrize("name", ["nano-135m", "nothing", "../models", ".."])
def test_only_stored_models_can_be_removed(model: Path, name: str) -> None:
    refused = run("rm", name)
    assert refused.returncode == 1 and "hint:" in refused.stderr


def test_a_failure_leaves_no_empty_model(tmp_path: Path, model: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(model.read_bytes()[:2000])
    assert run("quantize", str(broken)).returncode == 1
    assert list((tmp_path / "data" / "mellum-lsp" / "models").iterdir()) == []
