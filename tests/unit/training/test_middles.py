"""Middles: whole units, the four boundaries, and nothing that a server would not ask for."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from training.middles import Hole, Limits, boundary_at, choose, middle_of
from training.syntax import parse

TEXT = '''import os


class Reader:
    """Reads — with an em dash and a 🙂 before everything."""

    def read(self, path, size=10):
        if os.path.exists(path) and size > 0:
            with open(path) as file:
                data = file.read(size)
            return [line.strip() for line in data.splitlines()]
        raise FileNotFoundError(path)

    def close(self):
        self.closed = True
        print("closed", self.closed)
'''


def holes(kind: str, count: int = 300) -> list[Hole]:
    rng, source = random.Random(1), parse(TEXT, "python")
    found = [choose(source, kind, Limits(), rng) for _ in range(count)]
    return [h for h in found if h is not None]


@pytest.mark.parametrize("kind", ["statement_rest", "fresh_line", "node", "random_span"])
def test_middles_are_never_blank_nor_beyond_the_limits(kind: str) -> None:
    chosen = holes(kind)
    assert len(chosen) > 100
    for hole in chosen:
        middle = middle_of(TEXT, hole)
        assert middle.strip()
        assert len(middle) <= 700
        assert middle.count("\n") < 12


def test_a_long_block_is_not_asked_for_whole() -> None:
    body = "\n".join(f"    value_{i} = {i}" for i in range(40))
    source, rng = parse(f"def long():\n{body}\n", "python"), random.Random(2)
    for _ in range(200):
        hole = choose(source, "fresh_line", Limits(), rng)
        assert hole is None or source.text[hole.start : hole.end].count("\n") < 12


def test_fresh_lines_begin_at_column_0_with_the_indentation_in_the_middle_or_behind_it() -> None:
    chosen = holes("fresh_line")
    boundaries = Counter(h.boundary for h in chosen)
    assert boundaries.keys() == {"line_start", "block"}
    assert min(boundaries.values()) > 50
    for hole in chosen:
        assert not TEXT[TEXT.rfind("\n", 0, hole.start) + 1 : hole.start].strip()


def test_statement_rests_end_where_the_statement_ends() -> None:
    ends = {h.end for h in holes("statement_rest")}
    assert TEXT.index("raise FileNotFoundError(path)") + len("raise FileNotFoundError(path)") in ends


def test_statement_rests_begin_inside_words_and_between_them() -> None:
    assert {"mid_token", "mid_line"} <= {h.boundary for h in holes("statement_rest")}


def test_nothing_is_missing_behind_a_complete_statement_or_header_and_at_the_end() -> None:
    chosen = holes("nothing")
    assert {middle_of(TEXT, hole) for hole in chosen} == {""}
    ends = {hole.end for hole in chosen}
    assert len(TEXT) in ends
    assert TEXT.index("def close(self):") + len("def close(self):") in ends
    assert TEXT.index("self.closed = True") + len("self.closed = True") in ends
    assert all(TEXT[end : end + 1] in ("\n", "") for end in ends)


def test_closers_behind_the_hole_belong_to_the_middle_because_the_suffix_will_not_show_them() -> None:
    start = TEXT.index("path) as file")
    hole = Hole(start, start + len("path"), "node", "mid_line")
    assert middle_of(TEXT, hole) == "path)"


@pytest.mark.parametrize(
    ("before", "after", "boundary"),
    [
        ("x = 1\n", "y", "line_start"),
        ("x = 1\n    ", "y", "block"),
        ("x = ", "y", "mid_line"),
        ("x = pa", "th", "mid_token"),
    ],
)
def test_the_four_boundaries(before: str, after: str, boundary: str) -> None:
    assert boundary_at(before + after, len(before)) == boundary


def test_offsets_are_characters_also_behind_multi_byte_ones() -> None:
    source = parse('name = "🙂é"\nvalue = compute(name)\n', "python")
    assert source.text[source.statements[0].start : source.statements[0].end].startswith(("name", "value"))
    assert {source.text[s.start : s.end] for s in source.statements} == {
        'name = "🙂é"',
        "value = compute(name)",
    }
