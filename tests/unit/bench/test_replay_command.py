"""``bench replay`` as a user meets it, over a real server that follows a script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scripted import scripted

from mellum_lsp.cli import cli

BODY = "".join(f"    total_{number} = total + {number}\n" for number in range(60))
SOURCE = f"def add_all(total):\n{BODY}"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["bench", "replay", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "sums.py").write_text(SOURCE, encoding="utf-8")
    return root


@pytest.fixture
def script(tmp_path: Path) -> str:
    """A model that knows how every line goes on."""
    lines = [
        {"after": f"total + {number}\n    ", "text": f"total_{number + 1} = total + {number + 1}\n"}
        for number in range(60)
    ]
    return scripted(tmp_path, lines, "knowing.json")


@pytest.mark.slow
def test_it_types_tells_what_it_cost_and_goes_on_where_it_was(
    project: Path, script: str, tmp_path: Path
) -> None:
    arguments = (project, "--model", script, "--words-per-minute", "150", "--out", tmp_path / "out")
    first = run(*arguments, "--minutes", "0.01")
    assert first.exit_code == 0, first.stderr
    assert json.loads(first.stdout.strip().splitlines()[-1])["model"] == script
    assert "<svg" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

    again = run(*arguments, "--minutes", "0", "--json")
    document = json.loads(again.stdout)
    (variant,) = document["variants"]
    assert document["sittings"] == 1
    assert variant["saved"]["value"] > 10
    assert variant["right"]["value"] > 0.5
    assert variant["cpu_seconds"]["value"] > 0
    groups = {row["group"] for row in variant["answers"]}
    assert "shown" in groups and "shown, from the cache" in groups


def test_a_folder_without_code_fails_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# notes\n", encoding="utf-8")
    result = run(tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "hint: name a folder with source code" in result.stderr


def test_a_model_that_is_not_there_fails_before_anything_is_typed(project: Path, tmp_path: Path) -> None:
    result = run(project, "--model", "no-such-model", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "no-such-model" in result.stderr and "hint:" in result.stderr
    assert not list((tmp_path / "out").glob("*.jsonl"))
