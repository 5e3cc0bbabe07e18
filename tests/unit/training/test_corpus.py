"""What may be learned from: permissive, first-hand, unseen elsewhere, and never what evaluation uses."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from email.message import Message
from pathlib import Path

import pytest

from training import corpus
from training.corpus import build
from training.corpus.licences import allowed, licence_of
from training.middles import CHOOSERS
from training.recipe import Recipe, Run, read_recipe


@pytest.fixture
def paths(recipe: Recipe, run: Run) -> set[str]:
    build.build(recipe, run)
    return {d.path for d in corpus.read_documents(run.corpus / "train.jsonl")}


def test_permissive_first_hand_files_are_kept(paths: set[str]) -> None:
    assert {f"kindlib/part{i}.py" for i in range(1, 12)} <= paths


@pytest.mark.parametrize(
    "path",
    [
        "copyleft/a.py",
        "kindlib/_vendor/other.py",
        "kindlib/bench.py",
        "kindlib/pure_gpl.py",
        "kindlib/api_pb2.py",
    ],
)
def test_copyleft_vendored_generated_files_and_benchmarks_are_dropped(paths: set[str], path: str) -> None:
    assert path not in paths


def test_of_equal_files_one_is_kept(paths: set[str]) -> None:
    assert len({"kindlib/part0.py", "kindlib/copy.py"} & paths) == 1


def test_a_copy_of_a_held_out_file_is_not_trained_on_under_another_name(paths: set[str]) -> None:
    assert "kindlib/stolen.py" not in paths


def test_the_manifest_names_package_version_licence_and_hash_of_every_file(recipe: Recipe, run: Run) -> None:
    build.build(recipe, run)
    rows = [json.loads(line) for line in (run.corpus / "manifest.jsonl").read_text().splitlines()]
    documents = {d.path: d for d in corpus.read_documents(run.corpus / "train.jsonl")}
    for row in rows:
        assert set(row) == {f.name for f in fields(corpus.Document)} - {"text"}
    assert {r["path"] for r in rows if r["split"] != "held_out"} == set(documents)


def test_where_no_package_can_be_held_out_a_share_of_the_files_is(recipe: Recipe, run: Run) -> None:
    shared = replace(recipe, corpus=replace(recipe.corpus, held_out=(), held_out_share=0.4))
    build.build(shared, run)
    kept = {d.path for d in corpus.read_documents(run.corpus / "held_out.jsonl")}
    trained = {d.path for d in corpus.read_documents(run.corpus / "train.jsonl")}
    assert kept
    assert trained
    assert not kept & trained


def test_every_recipe_that_ships_is_understood() -> None:
    recipes = sorted((Path(__file__).parents[3] / "training" / "recipes").glob("*.toml"))
    assert len(recipes) >= 5
    for path in recipes:
        found = read_recipe(path)
        assert found.fim.kinds.keys() <= CHOOSERS.keys()
        assert sum(found.fim.kinds.values()) == pytest.approx(1)
        assert not set(found.corpus.packages) & set(found.corpus.held_out)


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ({"License-Expression": "Apache-2.0 AND MIT"}, "Apache-2.0 AND MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "BSD"),
        ({"License": "MIT License"}, "MIT"),
        ({"License": "see the file"}, ""),
    ],
)
def test_the_licence_comes_from_the_metadata(headers: dict[str, str], licence: str) -> None:
    message = Message()
    for key, value in headers.items():
        message[key] = value
    assert licence_of(message, [])[0] == licence


@pytest.mark.parametrize(
    ("licence", "is_allowed"),
    [
        ("MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("LGPL-2.1-or-later", False),
        ("", False),
    ],
)
def test_every_part_of_a_licence_must_be_allowed_but_of_a_choice_one(licence: str, is_allowed: bool) -> None:
    assert allowed(licence, ["MIT", "BSD"]) is is_allowed
