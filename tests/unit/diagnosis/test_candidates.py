"""What is told of each model: of the catalogue, of the store, and made smaller here."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.diagnosis.candidates import Candidate, candidates
from mellum_lsp.diagnosis.speed import MachineSpeed, WeightSpeed
from mellum_lsp.models.hardware import Gpu, Hardware

GIB = 1024**3
LAPTOP = Hardware(2, 2, 16 * GIB, 8 * GIB)
COSTS = {"Q8_0": WeightSpeed(0.04, 0.01), "Q4_K_M": WeightSpeed(0.025, 0.01)}
MACHINE = MachineSpeed(COSTS, 0.05, 0.3, "", 0.0)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "mellum-lsp" / "models"


def named(found: list[Candidate], name: str, quantise: bool = False) -> Candidate:
    (one,) = [one for one in found if one.name == name and one.quantise is quantise]
    return one


def test_a_4b_is_known_to_be_too_slow_before_it_is_downloaded() -> None:
    found = candidates(LAPTOP, MACHINE, 300)
    mellum = named(found, "mellum-4b-sft-all")
    assert mellum.path is None and mellum.fits and mellum.source == "predicted"
    assert mellum.verdict(300) == "no"


def test_a_q8_file_is_also_told_as_it_would_be_made_smaller() -> None:
    found = candidates(LAPTOP, MACHINE, 300)
    whole, made = named(found, "mellum-4b-base"), named(found, "mellum-4b-base", quantise=True)
    assert made.quantisation == "Q4_K_M"
    assert made.memory_gb and whole.memory_gb and made.memory_gb < whole.memory_gb
    assert made.line_ms and whole.line_ms and made.line_ms < whole.line_ms


def test_what_is_larger_than_the_memory_does_not_fit() -> None:
    small = Hardware(2, 2, 4 * GIB, 2 * GIB)
    codestral = named(candidates(small, MACHINE, 300), "codestral-22b")
    assert codestral.fits is False and codestral.verdict(1e9) == "no"


def test_every_model_of_known_size_says_how_much_memory_it_needs() -> None:
    assert [one.name for one in candidates(LAPTOP, None, 300) if one.size_gb and not one.memory_gb] == []


def test_without_a_measurement_no_speed_is_told() -> None:
    assert {one.source for one in candidates(LAPTOP, None, 300)} == {""}


def test_partly_on_a_gpu_nothing_is_predicted() -> None:
    gpu = Hardware(2, 2, 64 * GIB, 60 * GIB, (Gpu("CUDA0", "A Card", 4 * GIB, 4 * GIB),))
    found = candidates(gpu, MACHINE, 300)
    assert named(found, "mellum-4b-base").speed is None
    assert named(found, "qwen2.5-coder-0.5b").speed is not None


def test_models_of_the_store_are_candidates_too(store: Path) -> None:
    (store / "mine").mkdir(parents=True)
    (store / "mine" / "mine.gguf").write_bytes(b"GGUF" * 10_000_000)
    found = candidates(LAPTOP, MACHINE, 300)
    assert named(found, "mine").size_gb == 0.04


def test_what_was_made_smaller_here_is_not_offered_to_be_made_again(store: Path) -> None:
    (store / "mellum-4b-base-q4_k_m").mkdir(parents=True)
    (store / "mellum-4b-base-q4_k_m" / "m.gguf").write_bytes(b"GGUF")
    names = [(one.name, one.quantise) for one in candidates(LAPTOP, MACHINE, 300)]
    assert ("mellum-4b-base", True) not in names and ("mellum-4b-base-q4_k_m", False) in names
