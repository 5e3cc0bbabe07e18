"""What the published figures were measured on: named exactly, and never trained on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
REPOSITORIES = tomllib.loads((ROOT / "tests/benchmarks/holes.toml").read_text(encoding="utf-8"))["repository"]


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.lower()
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key.lower()
            yield from strings_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)


def test_repositories_are_named_with_their_commit() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{40}", repository["commit"]) for repository in REPOSITORIES)
    languages = [repository["language"] for repository in REPOSITORIES]
    assert languages.count("Python") >= 2
    assert {"TypeScript"} <= set(languages)
    assert {"Java", "Kotlin"} & set(languages)
    assert {"Go", "Rust"} & set(languages)


@pytest.mark.parametrize("recipe", sorted((ROOT / "training/recipes").glob("*.toml")), ids=lambda p: p.name)
def test_no_recipe_trains_on_them(recipe: Path) -> None:
    named = set(strings_in(tomllib.loads(recipe.read_text(encoding="utf-8"))))
    for repository in REPOSITORIES:
        owner, _, name = repository["github"].lower().partition("/")
        assert not {name, f"{owner}/{name}", f"{owner}-{name}", f"golang-github-{owner}-{name}"} & named
