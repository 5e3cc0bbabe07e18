"""Each way of finding chunks, alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mellum_lsp.domain import Caret
from mellum_lsp.retrieval.path_distance import FolderTree, hops
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.retrieval.ranking import RankSettings
from mellum_lsp.retrieval.strategies import STRATEGIES


def only(strategy: str) -> ProjectIndex:
    """An index ranked by one strategy alone, without a floor."""
    return ProjectIndex(rank_settings=RankSettings.of(strategy))


def paths(index: ProjectIndex, text: str, path: str = "app/main.py") -> list[str]:
    return [one.chunk.path for one in index.query(Caret(path, "python", text, len(text)))]


def test_tokens_find_shared_words() -> None:
    index = only("tokens")
    index.add("app/near.py", "def parse_header(stream):\n    return stream\n")
    index.add("app/other.py", "class Colour:\n    red = 1\n")
    assert paths(index, "header = parse_stream(") == ["app/near.py"]


def test_lines_find_shared_lines_alone() -> None:
    index = only("lines")
    index.add("app/same.py", "with open(path) as file:\n    data = json.load( file )\n    unlike()\n")
    index.add("app/words.py", "json.load(open(path, file)), data\n")
    assert paths(index, "def f(path):\n    data = json.load(file)\n") == ["app/same.py"]


def test_definitions_find_what_is_used_before_the_caret() -> None:
    index = only("definitions")
    index.add("app/tax.py", "def tax_rate(country):\n    return RATES[country]\n")
    index.add("app/user.py", "rate = tax_rate(country)\n")
    assert paths(index, "total = net * tax_rate(") == ["app/tax.py"]


def test_a_name_with_very_many_definitions_says_nothing() -> None:
    index = only("definitions")
    for number in range(20):
        index.add(f"app/{number}.py", f"def run(value_{number}):\n    return {number}\n")
    assert paths(index, "run(") == []


def test_imports_find_what_is_imported_though_nothing_near_the_caret_speaks_of_it() -> None:
    index = only("imports")
    index.add("shop/cart.py", "class Item:\n    price = 0\n")
    index.add("shop/other.py", "class Item:\n    weight = 0\n")
    assert paths(index, "from shop.cart import Item\n\n\ndef total(") == ["shop/cart.py"]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("from .cart import Item", "app/cart.py"),
        ("from shop import Item", "shop/__init__.py"),
        ('import { Item } from "../lib/cart-item";', "lib/cart-item.ts"),
        ("import com.shop.Item;", "com/shop/Item.java"),
        ("use crate::cart::{Item, Price};", "src/cart.rs"),
    ],
)
def test_imports_find_the_file_that_they_name(line: str, path: str) -> None:
    index = only("imports")
    index.add(path, "class Item:\n    price = 0\n")
    index.add("far/away.py", "class Item:\n    weight = 0\n")
    assert paths(index, f"{line}\n") == [path]


def test_imports_used_near_the_caret_come_first() -> None:
    index = only("imports")
    index.add("shop/cart.py", "class Item:\n    price = 0\n")
    index.add("shop/order.py", "class Order:\n    number = 0\n")
    text = "from shop.cart import Item\nfrom shop.order import Order\n" + "\n" * 20 + "order = Order("
    assert paths(index, text) == ["shop/order.py", "shop/cart.py"]


def test_path_distance_goes_outwards_from_the_folder() -> None:
    index = only("path_distance")
    index.add("app/b.py", "class Invoice:\n    number = 0\n    customer = None\n")
    index.add("app/sub/c.py", "def distance(point):\n    x, y = point\n    return hypot(x, y)\n")
    index.add("top.py", "import sys\n\nsys.exit(main(sys.argv))\n")
    index.add("lib/deep/far.py", "COLOURS = {\n    'red': 1,\n    'green': 2,\n}\n")
    assert paths(index, "x") == ["app/b.py", "app/sub/c.py", "top.py", "lib/deep/far.py"]


def test_open_files_count_a_little_more() -> None:
    index = only("tokens")
    index.add("app/a.py", "def convert(amount):\n    return amount  # alpha beta gamma\n")
    index.add("app/b.py", "def convert(amount):\n    return amount  # delta epsilon zeta\n")
    assert paths(index, "convert(amount")[0] == "app/a.py"
    index.mark_open("app/b.py")
    assert paths(index, "convert(amount")[0] == "app/b.py"
    index.mark_closed("app/b.py")
    assert paths(index, "convert(amount")[0] == "app/a.py"


class TestRecent:
    """Files that are open in the editor or were open lately."""

    def test_only_they_are_found_by_it_alone(self) -> None:
        index = only("recent")
        index.add("app/open.py", "def convert(amount):\n    return amount  # alpha beta gamma\n")
        index.add("app/closed.py", "def convert(amount):\n    return amount  # delta epsilon zeta\n")
        index.add("app/neither.py", "def convert(amount):\n    return amount  # eta theta iota\n")
        index.mark_open("app/open.py")
        index.mark_closed("app/closed.py")
        assert sorted(paths(index, "convert(amount")) == ["app/closed.py", "app/open.py"]

    def test_never_the_carets_own_file(self) -> None:
        index = only("recent")
        index.add("app/main.py", "def convert(amount):\n    return amount\n")
        index.mark_open("app/main.py")
        assert paths(index, "convert(amount") == []

    @pytest.mark.parametrize("was_open", [False, True])
    def test_they_are_candidates_however_many_others_suit_better(self, was_open: bool) -> None:
        """Where more chunks share more tokens than are looked at, the near one comes up all the same."""
        settings = replace(RankSettings.of("tokens"), candidates=8)
        index = ProjectIndex(rank_settings=settings)
        for number in range(40):
            name = f"far/away/from/here/{number}/{number}.py"
            index.add(name, f"amount = currency_{number}\nrate = word_{number}\nfee = sum_{number}")
        index.add(
            "app/near.py", "amount = 1\nrate = 2\nfee = 3\none = two\nthree = four\nfive = six\nseven = 8\n"
        )
        if was_open:
            index.mark_open("app/near.py")
            index.mark_closed("app/near.py")
        found = paths(index, "amount, rate, fee = 1, 2, 3\nnumber_1 = number_2 = number_3 = 9")
        assert ("app/near.py" in found) == was_open

    def test_their_scores_are_those_of_the_whole_index(self) -> None:
        index = only("tokens")
        for number in range(30):
            text = f"{'amount ' * (number % 3)} rate_{number % 7} = convert_{number % 5}\n"
            index.add(f"app/{number}.py", text)
        caret = Caret("app/main.py", "python", "rate_3 = convert_2 amount", 25)
        before = index.query(caret, 99)
        for number in range(0, 30, 2):
            index.mark_open(f"app/{number}.py")
        assert index.query(caret, 99, replace(RankSettings.of("tokens"), open_bonus=0.0)) == before

    def test_only_the_files_closed_last_are_remembered(self) -> None:
        index = only("recent")
        for number in range(40):
            index.add(f"app/{number}.py", f"value_{number} = convert(amount_{number})\n")
            index.mark_closed(f"app/{number}.py")
        assert sorted(paths(index, "convert")) == sorted(f"app/{number}.py" for number in range(24, 40))


@pytest.mark.parametrize(
    ("path", "other", "steps"),
    [("a.py", "b.py", 0), ("x/a.py", "b.py", 1), ("x/a.py", "y/b.py", 2), ("x/y/a.py", "x/b.py", 1)],
)
def test_hops(path: str, other: str, steps: int) -> None:
    assert hops(path, other) == hops(other, path) == steps


def test_the_tree_forgets_empty_folders() -> None:
    tree = FolderTree()
    for path in ["a/b/c.py", "a/d.py"]:
        tree.add(path)
    tree.remove("a/b/c.py")
    assert list(tree.nearest("x.py")) == [("a/d.py", 1)]
    tree.remove("a/d.py")
    assert list(tree.nearest("x.py")) == []


class TestMixes:
    def test_the_default_mix_is_that_of_the_server(self) -> None:
        assert RankSettings.of("default") == RankSettings()

    def test_none_finds_nothing_whatever_is_there(self) -> None:
        index = ProjectIndex()
        index.add("app/near.py", "def parse_header(stream):\n    return stream\n")
        caret = Caret("app/main.py", "python", "parse_header(stream", 19)
        assert index.query(caret) != []
        assert index.query(caret, settings=RankSettings.of("none")) == []

    def test_a_mix_names_its_strategies_and_their_weights(self) -> None:
        settings = RankSettings.of("tokens:0.25 definitions")
        assert settings.weights == (("tokens", 0.25), ("definitions", 1.0))
        assert settings.floor == RankSettings().floor

    def test_every_strategy_can_be_asked_alone(self) -> None:
        for name in STRATEGIES:
            assert RankSettings.of(name).weights == ((name, 1.0),)

    @pytest.mark.parametrize(("mix", "named"), [("token", "'token'"), ("lines:much", "'much'")])
    def test_a_mistake_is_explained(self, mix: str, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            RankSettings.of(mix)
