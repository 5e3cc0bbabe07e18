"""Holes are chosen by syntax, the same for the same seed; cross-file means: not to be known from the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.bench.holes import Hole, NoHoles, all_holes, choose_holes, place_of
from mellum_lsp.bench.project import Project, is_test
from mellum_lsp.retrieval.tokens import identifiers

from .shop import write_shop


def of_six_seeds(project: Project) -> list[Hole]:
    return [hole for seed in range(6) for hole in choose_holes(project, 20, seed)]


@pytest.fixture(scope="module")
def many(shop: Project) -> list[Hole]:
    return of_six_seeds(shop)


def test_the_same_seed_chooses_the_same_and_more_begin_with_fewer(shop: Project) -> None:
    assert choose_holes(shop, 6, 3) == choose_holes(shop, 6, 3)
    assert choose_holes(shop, 12, 3)[:6] == choose_holes(shop, 6, 3)
    assert choose_holes(shop, 6, 3) != choose_holes(shop, 6, 4)


def test_an_open_hole_and_what_stood_there_make_the_file_again(shop: Project, many: list[Hole]) -> None:
    for hole in many:
        place = place_of(shop, hole)
        assert place.caret.prefix + place.middle + place.caret.suffix == shop.files[hole.path]
        assert place.middle.strip()


def test_kinds_are_told_apart_by_the_text_around(shop: Project, many: list[Hole]) -> None:
    for hole in many:
        place = place_of(shop, hole)
        behind = place.caret.line_after.strip(" )]};,")
        if hole.kind == "single-line":
            assert "\n" not in place.middle
            assert not behind
        elif hole.kind == "block":
            assert "\n" in place.middle
            assert not behind
        else:
            assert "\n" not in place.middle
            assert behind
            assert place.caret.line_before.strip()


def test_all_kinds_and_boundaries_are_found(many: list[Hole]) -> None:
    holes = many
    assert {hole.kind for hole in holes} == {"single-line", "block", "mid-line"}
    assert {hole.boundary for hole in holes} == {"line", "token", "word"}
    assert {hole.language for hole in holes} == {"python", "typescript"}
    assert {hole.is_cross_file for hole in holes} == {True, False}


def test_half_of_the_brackets_that_an_editor_closes_stay_behind_the_caret(
    shop: Project, many: list[Hole]
) -> None:
    singles = [place_of(shop, hole) for hole in many if hole.kind == "single-line"]
    kept = [place for place in singles if place.caret.line_after.startswith((")", "]", "}"))]
    assert kept
    assert any(place.middle.rstrip(";,").endswith(")") for place in singles)


def test_a_cross_file_hole_needs_a_name_that_its_own_window_does_not_have(
    shop: Project, many: list[Hole]
) -> None:
    defined = {"reserve_units", "price_after_discount", "StockKeeper", "Basket", "toJson", "CATALOGUE_PRICES"}
    for hole in many:
        place = place_of(shop, hole)
        assert set(hole.needs) <= identifiers(place.middle) & defined
        assert not set(hole.needs) & identifiers(place.caret.text)
    assert any("reserve_units" in hole.needs for hole in many)


def test_names_of_ones_own_file_and_of_everybody_are_no_foreign_names(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "def own_name():\n    return every_where(own_name, 1)\n", encoding="utf-8"
    )
    for number in range(4):
        text = f"def every_where():\n    return other_name_{number}\n"
        (tmp_path / f"m{number}.py").write_text(text, encoding="utf-8")
    project = Project.read(tmp_path)
    assert not [hole for hole in all_holes(project, 1) if hole.is_cross_file]


def test_tests_and_what_the_project_ignores_get_no_holes(tmp_path: Path) -> None:
    write_shop(tmp_path)
    (tmp_path / ".gitignore").write_text("web/\n", encoding="utf-8")
    paths = {hole.path for hole in of_six_seeds(Project.read(tmp_path))}
    assert paths == {"shop/cart.py", "shop/prices.py", "shop/stock.py"}


def test_a_changed_file_has_other_holes(shop: Project) -> None:
    before = {hole.id for hole in choose_holes(shop, 20, 1)}
    changed = Project(shop.name, shop.root, {path: text + "\n" for path, text in shop.files.items()})
    assert not before & {hole.id for hole in choose_holes(changed, 20, 1)}


def test_a_folder_without_code_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(NoHoles, match="hint: name a folder with source code"):
        choose_holes(Project.read(tmp_path), 5)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/unit/helpers.py", True),
        ("pkg/test_cart.py", True),
        ("cart_test.go", True),
        ("src/CartTest.java", True),
        ("src/cart.spec.ts", True),
        ("src/contest.py", False),
        ("src/latest/cart.ts", False),
    ],
)
def test_tests_are_known_by_their_names(path: str, expected: bool) -> None:
    assert is_test(path) is expected
