"""``mellum-lsp models list`` and ``show`` tell what this machine makes of each model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from mellum_lsp.cli import cli
from mellum_lsp.diagnosis import speed
from mellum_lsp.diagnosis.speed import MachineSpeed, WeightSpeed


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["models", *arguments], catch_exceptions=False)


def listed() -> dict[str, dict[str, Any]]:
    return {model["name"]: model for model in json.loads(run("list", "--json").stdout)["models"]}


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def measured(tmp_path: Path) -> None:
    """A laptop that was measured by the doctor."""
    costs = {kind: WeightSpeed(0.03, 0.01) for kind in ("Q4_0", "Q4_K_M", "Q8_0")}
    kept = tmp_path / "cache" / "mellum-lsp" / "speed.json"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(msgspec.json.encode(MachineSpeed(costs, 0.05, 0.3, speed._machine(), 0.0)))


def test_before_any_measurement_the_doctor_is_named() -> None:
    assert "mellum-lsp doctor" in run("list").output
    assert {model["line_ms"] for model in listed().values()} == {None}


@pytest.mark.usefixtures("measured")
def test_after_it_every_model_of_known_shape_has_an_expected_speed() -> None:
    models = listed()
    assert models["nano-135m"]["meets_target"] == "yes"
    assert models["mellum-4b-sft-all"]["meets_target"] == "no"
    assert models["mellum-4b-sft-all"]["line_ms"] > 1000
    assert "too slow for 300 ms" in models["mellum-4b-sft-all"]["why"]
    assert [name for name, model in models.items() if model["line_ms"] is None] == ["codegemma-2b"]
    (line,) = [line for line in run("list").output.splitlines() if "mellum-4b-base" in line]
    assert "✗" in line


@pytest.mark.usefixtures("measured")
def test_one_model_is_shown_with_why() -> None:
    shown = json.loads(run("show", "Mellum-4B-Base", "--json").stdout)
    assert shown["memory_gb"] == pytest.approx(6.1, abs=0.1)
    assert shown["speed_source"] == "predicted"
    assert "a line while typing is predicted to take" in run("show", "mellum-4b-base").output


def test_kinds_are_not_listed_three_times_where_one_is_wrong() -> None:
    result = run("quantize", "nano-135m", "Q9")
    assert result.exit_code == 2 and "'Q9' is not one of" in result.output
    assert "NAME [KIND]" in result.output
