"""A small shop whose files need each other's names, and an engine that knows what stood in every hole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mellum_lsp.bench.holes import Hole, place_of
from mellum_lsp.bench.project import Project
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.engine.scripted import ScriptedEngine

CART = '''\
"""What a customer is about to buy."""

from shop.prices import price_after_discount
from shop.stock import StockKeeper


class Cart:
    def __init__(self, keeper: StockKeeper) -> None:
        self.keeper = keeper
        self.lines = []

    def add(self, name: str, count: int) -> None:
        if self.keeper.reserve_units(name, count):
            self.lines.append((name, count))
            self.lines.sort(key=lambda line: line[0])

    def total(self) -> float:
        amounts = [price_after_discount(name, count) for name, count in self.lines]
        largest = max(amounts, default=0.0)
        return round(sum(amounts), 2) if largest > 0 else 0.0
'''
PRICES = """\
CATALOGUE_PRICES = {"apple": 0.5, "pear": 0.75}


def price_after_discount(name: str, count: int) -> float:
    share = 0.9 if count >= 10 else 1.0
    return CATALOGUE_PRICES[name] * count * share
"""
STOCK = """\
class StockKeeper:
    def __init__(self) -> None:
        self.units = {}

    def reserve_units(self, name: str, count: int) -> bool:
        left = self.units.get(name, 0) - count
        if left < 0:
            return False
        self.units[name] = left
        return True
"""
CLIENT = """\
import { Basket } from "./basket";

export async function sendOrder(basket: Basket, address: string): Promise<boolean> {
    const response = await fetch(address, { method: "POST", body: basket.toJson() });
    if (!response.ok) {
        console.error("the order was refused", response.status);
        return false;
    }
    return response.json().then(answer => answer.accepted);
}
"""
BASKET = """\
export class Basket {
    private items: string[] = [];

    addItem(name: string): void {
        this.items.push(name.trim().toLowerCase());
    }

    toJson(): string {
        return JSON.stringify({ items: this.items, count: this.items.length });
    }
}
"""

FILES = {
    "shop/cart.py": CART,
    "shop/prices.py": PRICES,
    "shop/stock.py": STOCK,
    "web/client.ts": CLIENT,
    "web/basket.ts": BASKET,
    "tests/test_cart.py": "def test_total():\n    assert Cart(StockKeeper()).total() == 0.0\n",
}


def write_shop(folder: Path) -> Project:
    for path, text in FILES.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return Project.read(folder, "shop")


def knowing(project: Project, holes: Sequence[Hole]) -> ScriptedEngine:
    """An engine that says at every hole what stood there, with the probability 0.9."""
    places = [place_of(project, hole) for hole in holes]

    def say(request: GenerateRequest) -> list[tuple[str, float]]:
        prefix, path = _prefix_of(request), _path_of(request)
        here = [p for p in places if p.hole.path == path and p.caret.prefix.endswith(prefix)]
        nearest = min(here, key=lambda p: len(p.caret.prefix) - len(prefix), default=None)
        return [(nearest.middle, 0.9)] if nearest else []

    return ScriptedEngine(say)


def _prefix_of(request: GenerateRequest) -> str:
    return "".join(
        segment
        for part in request.spelled_out()
        if part.kind == "prefix"
        for segment in part.segments
        if isinstance(segment, str)
    )


def _path_of(request: GenerateRequest) -> str:
    return next(
        part.path for part in request.parts if part.kind in ("file", "prefix", "suffix") and part.path
    )
