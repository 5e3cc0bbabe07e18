"""``bench holes`` as a user meets it: a table, a report, advice; errors that say what to do next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scripted import scripted

from mellum_lsp.bench.holes import choose_holes, place_of
from mellum_lsp.bench.project import Project
from mellum_lsp.cli import cli


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["bench", "holes", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def script(shop: Project, tmp_path: Path) -> str:
    """A model that knows the first twelve holes of the shop."""
    places = [place_of(shop, hole) for hole in choose_holes(shop, 12, 1)]
    lines = [{"after": place.caret.prefix[-60:], "text": place.middle} for place in places]
    return scripted(tmp_path, lines, "knowing.json")


def test_it_prints_figures_and_settings_and_writes_a_report(
    shop: Project, script: str, tmp_path: Path
) -> None:
    result = run(shop.root, "--model", script, "--count", "12", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "knowing" in result.stdout
    assert json.loads(result.stdout.strip().splitlines()[-1])["model"] == script
    assert "<svg" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"the whole report: {tmp_path / 'out' / 'report.html'}" in result.stderr


def test_json_is_one_document_and_the_same_again(shop: Project, script: str, tmp_path: Path) -> None:
    arguments = (shop.root, "--model", script, "--count", "12", "--json", "--out", tmp_path / "out")
    first, again = run(*arguments), run(*arguments)
    document = json.loads(first.stdout)
    assert document == json.loads(again.stdout)
    assert document["finished"] is True
    assert document["holes"] == 12
    assert {one["context"] for one in document["figures"]} == {"none", "default"}


def test_a_run_without_time_says_how_to_go_on(shop: Project, script: str, tmp_path: Path) -> None:
    result = run(shop.root, "--model", script, "--minutes", "0", "--count", "12", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "run the same command again to go on" in result.stderr


def test_a_mix_that_is_none_is_wrong_usage(shop: Project) -> None:
    result = run(shop.root, "--context", "magic")
    assert result.exit_code == 2
    assert "there is no strategy 'magic'" in result.stderr


def test_a_model_that_is_not_there_fails_with_a_hint(shop: Project, tmp_path: Path) -> None:
    result = run(shop.root, "--model", "no-such-model", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "no-such-model" in result.stderr and "hint:" in result.stderr


def test_a_folder_without_code_fails_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# notes\n", encoding="utf-8")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "hint: name a folder with source code" in result.stderr


def test_without_the_extra_it_says_what_to_install(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mellum_lsp.bench.extras.find_spec", lambda name: None)
    result = run(shop.root)
    assert result.exit_code == 1
    assert "hint: pip install 'mellum-lsp[reports]'" in result.stderr
