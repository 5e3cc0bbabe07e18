"""Chunks of a small file in each of many languages: small definitions whole, comments with what they are
about, enclosing scopes known."""

from __future__ import annotations

from pathlib import Path

import pytest

from .marked_chunks import FOLDER, RULE, marked, source_of

GOLDENS = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_chunks_are_as_the_golden_shows(path: Path) -> None:
    golden = path.read_text("utf-8")
    assert marked(source_of(golden), path.stem) == golden


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_a_part_of_a_large_function_names_it(path: Path) -> None:
    rules = [line for line in path.read_text("utf-8").split("\n") if line.startswith(RULE)]
    assert any("large" in rule.lower() for rule in rules)


def test_there_are_goldens_of_many_languages() -> None:
    assert len(GOLDENS) >= 25
    assert {"java", "kotlin", "python", "typescript", "go", "rust", "c", "cpp"} <= {
        one.stem for one in GOLDENS
    }
