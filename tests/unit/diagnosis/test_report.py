"""A report for others says what is the matter, and neither who nor where somebody is."""

from __future__ import annotations

import getpass
import json
import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from mellum_lsp.cli import cli
from mellum_lsp.diagnosis.report import anonymous


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A user called Rosalind on a machine called moonbase, with a project and models of her own."""
    home = tmp_path / "rosalind"
    project = home / "secret-venture"
    model = home / "data/mellum-lsp/models/my-finetune/my-finetune.gguf"
    for file in (project / "takeover_plan.py", model):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"GGUF, but broken")
    monkeypatch.setenv("HOME", str(home))
    for name in ("DATA", "STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("USER", "rosalind")
    monkeypatch.setattr(getpass, "getuser", lambda: "rosalind")
    monkeypatch.setattr(socket, "gethostname", lambda: "moonbase.example.org")
    monkeypatch.chdir(project)
    return ["rosalind", "moonbase", "example.org", "secret-venture", "takeover", "my-finetune", str(tmp_path)]


def run(*arguments: str) -> str:
    return CliRunner().invoke(cli, ["doctor", *arguments], catch_exceptions=False).output


def test_nothing_private_is_in_it(private: list[str]) -> None:
    report = run("--quick", "--report")
    assert [word for word in private if word in report.lower()] == []
    assert "llama_cpp_python" in report and "physical_cores" in report and "files: 1" in report


@pytest.mark.parametrize(
    "model", ["data/mellum-lsp/models/my-finetune/my-finetune.gguf", "none/secret-venture takeover"]
)
def test_nor_where_the_model_is_the_trouble(private: list[str], model: str) -> None:
    """Errors name the file; their sentences are what helps."""
    report = run("--model", f"{os.environ['HOME']}/{model}", "--report")
    assert [word for word in private if word in report.lower()] == []
    assert "problem" in report


def test_a_quick_look_sees_what_is_no_model(private: list[str], tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    document = json.loads(run("--quick", "--json", "--model", str(tmp_path / "text.gguf")))
    assert document["healthy"] is False


def test_the_user_is_told_the_paths(private: list[str]) -> None:
    """What is shown on the own screen holds everything."""
    document = json.loads(run("--quick", "--json"))
    folders = next(check for check in document["checks"] if check["name"] == "folders")
    assert "rosalind" in folders["private"]["state"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("there is no model file at /home/x/a b.gguf.", "there is no model file at … …"),
        ("C:\\Users\\x\\m.gguf: truncated", "…: truncated"),
        ("the engine's process ended (exit code 1)", "the engine's process ended (exit code 1)"),
        ("'~/models/x.gguf' is empty", "'…' is empty"),
    ],
)
def test_what_looks_like_a_path_is_left_out(text: str, left: str) -> None:
    assert anonymous(text).startswith(left.rstrip("…")) and "gguf" not in anonymous(text)
