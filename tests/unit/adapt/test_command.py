"""The command `adapt`: what it says where there is nothing to do, or nothing can be done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mellum_lsp.adapt import toolbox
from mellum_lsp.cli import cli


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["adapt", *map(str, arguments)], catch_exceptions=False)


def test_without_pytorch_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox, "find_spec", lambda name: None)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "error: tuning needs torch" in result.output
    assert "hint: pip install 'mellum-lsp[training]'" in result.output


def test_the_status_of_a_folder_that_was_never_tuned(tmp_path: Path) -> None:
    assert "no adapter serves" in run(tmp_path, "--status").output
    found = json.loads(run(tmp_path, "--status", "--json").stdout)
    assert found == {"workspace": str(tmp_path), "serves": None, "running": False, "job": None}


def test_nothing_can_be_undone_where_nothing_serves(tmp_path: Path) -> None:
    result = run(tmp_path, "--undo")
    assert result.exit_code == 1
    assert "no adapter serves" in result.output
    assert json.loads(run(tmp_path, "--undo", "--json").stdout)["undone"] is False


def test_status_and_undo_are_two_wishes(tmp_path: Path) -> None:
    assert run(tmp_path, "--status", "--undo").exit_code == 2
