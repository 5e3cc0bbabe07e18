"""The same rules find statements, blocks and units in every language that is trained on."""

from __future__ import annotations

import random

import pytest

from training.middles import Limits, choose, middle_of
from training.syntax import parse

SOURCES = {
    "javascript": """const limit = 3;
describe("cart", () => {
  it("adds", function () {
    const cart = new Cart(limit);
    cart.add({ name: "tea", price: 2 });
  });
});
""",
    "typescript": """interface Item {
  name: string;
  price(currency: string): number;
}
export class Cart {
  private items: Item[] = [];
  add(item: Item): void {
    if (item.name) {
      this.items.push(item);
    }
  }
}
""",
    "java": """class Cart {
    private int size = 0;
    int add(int count) throws Full {
        for (int i = 0; i < count; i++) {
            size += 1;
        }
        return size;
    }
}
""",
    "kotlin": """class Cart(val limit: Int) {
    fun add(count: Int): Int {
        if (count > limit) {
            return limit
        }
        val doubled = listOf(1, 2).map { it * count }
        return doubled.sum()
    }
}
""",
    "go": """package cart

func Add(count int) (int, error) {
	if count > 1 {
		return 2, nil
	}
	total := count * 2
	return total, nil
}
""",
    "rust": """impl Cart {
    fn add(&mut self, count: i32) -> i32 {
        if count > 1 {
            return 2;
        }
        let total = count * 2;
        total
    }
}
""",
    "c": """static int add(int count)
{
    if (count > 1) {
        return 2;
    }
    int total = count * 2;
    return total;
}
""",
    "cpp": """namespace cart {
class Cart {
 public:
  int add(int count) {
    for (auto& item : items) {
      total += item.price(count);
    }
    return total;
  }
};
}
""",
}
STATEMENTS = {
    "javascript": "const cart = new Cart(limit);",
    "typescript": "price(currency: string): number;",
    "java": "size += 1;",
    "kotlin": "return doubled.sum()",
    "go": "total := count * 2",
    "rust": "let total = count * 2;",
    "c": "int total = count * 2;",
    "cpp": "total += item.price(count);",
}
HEADERS = {
    "javascript": 'it("adds", function () {',
    "typescript": "if (item.name) {",
    "java": "for (int i = 0; i < count; i++) {",
    "kotlin": "if (count > limit) {",
    "go": "if count > 1 {",
    "rust": "if count > 1 {",
    "c": "if (count > 1) {",
    "cpp": "for (auto& item : items) {",
}


def texts(language: str) -> set[str]:
    source = parse(SOURCES[language], language)
    return {source.text[u.start : u.end] for u in source.statements}


@pytest.mark.parametrize("language", SOURCES)
def test_statements_are_whole_with_their_semicolons(language: str) -> None:
    assert STATEMENTS[language] in texts(language)


@pytest.mark.parametrize("language", SOURCES)
def test_a_header_ends_where_its_block_opens(language: str) -> None:
    source, rng = parse(SOURCES[language], language), random.Random(1)
    found = (choose(source, "nothing", Limits(), rng) for _ in range(400))
    ends = {hole.start for hole in found if hole}
    assert SOURCES[language].index(HEADERS[language]) + len(HEADERS[language]) in ends


@pytest.mark.parametrize("language", SOURCES)
@pytest.mark.parametrize("kind", ["statement_rest", "fresh_line", "node", "random_span"])
def test_every_kind_is_found_in_every_language(language: str, kind: str) -> None:
    source, rng = parse(SOURCES[language] * 2, language), random.Random(1)
    chosen = [choose(source, kind, Limits(), rng) for _ in range(60)]
    middles = [middle_of(source.text, hole) for hole in chosen if hole]
    assert len(middles) > 30
    assert all(middle.strip() for middle in middles)


def test_a_comment_is_asked_for_to_the_end_of_its_line() -> None:
    text = "int a;  // counts the visitors of a page\n/* both\n   lines of it */\nint b;\n"
    source, rng = parse(text, "c"), random.Random(1)
    holes = [choose(source, "comment", Limits(), rng) for _ in range(60)]
    middles = {middle_of(text, hole) for hole in holes if hole}
    assert any(middle.endswith("of a page") for middle in middles)
    assert not any("\n" in middle for middle in middles)
