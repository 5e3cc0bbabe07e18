"""The command line: every stage of a recipe in order, in small; errors that say what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from training.__main__ import main
from training.recipe import Run


def test_a_recipe_that_cannot_be_read_is_an_error_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("name = 'x'\n[sft]\nspeed = 3\n")
    assert main(["sft", "--recipe", str(path)]) == 2
    assert "[sft] speed is not known" in capsys.readouterr().err


def test_a_dry_run_goes_through_all_stages_in_small(
    recipe_text: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="needs the extra 'training' (torch, transformers)")
    pytest.importorskip("trl", reason="needs the extra 'training' (trl)")
    pytest.importorskip("sacrebleu", reason="needs the extra 'reports'")
    text = recipe_text.replace("[sft]\n", "[preferences]\nshards = 3\n[grpo]\nholes = 40\n[sft]\n")
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    assert main(["all", "--recipe", str(path), "--run", str(run.root), "--dry-run"]) == 0
    assert (run.export / "tiny-Q8_0.gguf").exists()
    assert (run.root / "learning-curve.png").exists()
    assert len(list((run.root / "preferences").glob("*.jsonl"))) == 1
    assert list(run.reinforced.checkpoints.glob("step-*"))
    assert (run.reports / "evaluation-8.html").exists()
    assert "| tiny |" in capsys.readouterr().out


def test_folders_on_the_command_line_replace_the_recipes(recipe_text: str, run: Run, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    source = Path(__file__).read_text()
    (project / "mine.py").write_text(source)
    path = tmp_path / "own.toml"
    path.write_text(recipe_text.replace('packages = ["kindlib", "copyleft"]', "own_code = true"))
    shutil.rmtree(run.corpus, ignore_errors=True)
    arguments = ["corpus", "--recipe", str(path), "--run", str(run.root), "--folder", str(project)]
    assert main(arguments) == 0
    assert "mine.py" in (run.corpus / "manifest.jsonl").read_text()
