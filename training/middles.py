"""Where to cut: middles at syntactic units of Python, as offsets into a text.

Kinds follow what a server is asked for (`statement_rest`, `fresh_line`, `nothing`) and what teaches code
(`node`, `random_span`); four boundaries: block (after the indentation), line start (column 0, the indentation
is part of the middle), mid-line, and mid-token. Every function is pure; randomness comes in
as a `random.Random`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mellum_lsp.prompt.windows import closers_at

_COMPOUND = {
    "if_statement",
    "for_statement",
    "while_statement",
    "with_statement",
    "try_statement",
    "function_definition",
    "class_definition",
    "decorated_definition",
    "match_statement",
}
_EXPRESSIONS = {
    "call",
    "attribute",
    "binary_operator",
    "boolean_operator",
    "comparison_operator",
    "subscript",
    "list",
    "dictionary",
    "tuple",
    "list_comprehension",
    "dictionary_comprehension",
    "generator_expression",
    "conditional_expression",
    "lambda",
    "string",
    "keyword_argument",
    "typed_parameter",
    "typed_default_parameter",
    "default_parameter",
}
_INSIDES = {"argument_list", "parameters", "list", "dictionary", "tuple", "import_list"}


@dataclass(frozen=True, slots=True)
class Hole:
    """``text[start:end]`` is removed; the model must give it back (and the closers behind it)."""

    start: int
    end: int
    kind: str
    boundary: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A node as character offsets; ``parent`` is the type of the parent node."""

    type: str
    start: int
    end: int
    parent: str
    field: str
    body_start: int
    """Where the node's block begins, or -1."""


@dataclass(frozen=True)
class Source:
    """A parsed file: its statements, other units, and the places where tokens begin or end."""

    text: str
    statements: tuple[Unit, ...]
    blocks: tuple[tuple[Unit, ...], ...]
    """The statements of each block, in order."""
    units: tuple[Unit, ...]
    edges: tuple[int, ...]


@lru_cache(maxsize=1)
def _parser() -> Any:
    from tree_sitter_language_pack import get_parser

    return get_parser("python")


def parse(text: str) -> Source:
    """Nodes of ``text`` with offsets in characters."""
    raw = text.encode("utf-8")
    at: Callable[[int], int] = _character_offsets(text, raw)
    statements: list[Unit] = []
    blocks: list[tuple[Unit, ...]] = []
    units: list[Unit] = []
    edges: set[int] = set()
    stack: list[tuple[Any, str, str]] = [(_parser().parse(raw).root_node, "", "")]
    while stack:
        node, parent, name = stack.pop()
        kind = node.type
        unit = Unit(kind, at(node.start_byte), at(node.end_byte), parent, name, _body_start(node, at))
        is_block = kind in ("block", "module")
        if parent in ("block", "module") and kind != "comment":
            statements.append(unit)
        elif kind in _EXPRESSIONS or kind in _INSIDES or kind == "block" or name in ("condition", "right"):
            units.append(unit)
        if node.child_count == 0 and node.end_byte > node.start_byte:
            edges.update((unit.start, unit.end))
        if is_block:
            inside = [c for c in node.children if c.is_named and c.type != "comment"]
            blocks.append(
                tuple(
                    Unit(c.type, at(c.start_byte), at(c.end_byte), kind, "", _body_start(c, at))
                    for c in inside
                )
            )
        if kind != "string":  # never cut a string's inner grammar apart
            for index, child in enumerate(node.children):
                stack.append((child, kind, node.field_name_for_child(index) or ""))
    return Source(text, tuple(statements), tuple(b for b in blocks if b), tuple(units), tuple(sorted(edges)))


def _body_start(node: Any, at: Callable[[int], int]) -> int:
    target = node
    if node.type == "decorated_definition":
        target = node.child_by_field_name("definition") or node
    body = target.child_by_field_name("body") or target.child_by_field_name("consequence")
    return at(body.start_byte) if body is not None and body.type == "block" else -1


def _character_offsets(text: str, raw: bytes) -> Callable[[int], int]:
    if len(raw) == len(text):
        return lambda offset: offset
    table: list[int] = []
    for index, character in enumerate(text):
        table.extend([index] * len(character.encode("utf-8")))
    table.append(len(text))
    return table.__getitem__


@dataclass(frozen=True, slots=True)
class Limits:
    characters: int = 700
    lines: int = 12


def choose(source: Source, kind: str, limits: Limits, rng: random.Random) -> Hole | None:
    """A hole of ``kind``, or None where this file offers none at the first tries."""
    chooser = {
        "statement_rest": _statement_rest,
        "fresh_line": _fresh_line,
        "node": _node,
        "random_span": _random_span,
        "nothing": _nothing,
    }[kind]
    for _ in range(6):
        hole = chooser(source, limits, rng)
        if hole and _fits(source.text, hole, limits):
            return hole
    return None


def middle_of(text: str, hole: Hole) -> str:
    """What the model must say: the removed text and the closers that stay out of the rendered suffix."""
    return text[hole.start : hole.end] + closers_at(text, hole.end)


def boundary_at(text: str, offset: int) -> str:
    """Which of the four kinds of boundary a caret at ``offset`` is."""
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    if not line:
        return "line_start"
    if not line.strip():
        return "block"
    before, after = text[offset - 1 : offset], text[offset : offset + 1]
    if _is_word(before) and _is_word(after):
        return "mid_token"
    return "mid_line"


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _fits(text: str, hole: Hole, limits: Limits) -> bool:
    middle = middle_of(text, hole)
    if len(middle) > limits.characters or middle.count("\n") >= limits.lines:
        return False
    return hole.kind == "nothing" or bool(middle.strip())


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def _hole(text: str, start: int, end: int, kind: str) -> Hole:
    return Hole(start, end, kind, boundary_at(text, start))


def _is_docstring(unit: Unit, text: str) -> bool:
    return unit.type == "expression_statement" and text[unit.start : unit.start + 3] in ('"""', "'''", 'r""')


def _pick_statement(source: Source, rng: random.Random) -> Unit | None:
    for _ in range(4):
        if not source.statements:
            return None
        unit = rng.choice(source.statements)
        if _is_docstring(unit, source.text) and rng.random() < 0.7:
            continue
        if unit.type.startswith("import") and rng.random() < 0.4:
            continue
        return unit
    return None


def _whole_end(source: Source, unit: Unit, limits: Limits, rng: random.Random) -> int:
    """The end of a statement with the block that it opens; its header alone where the block is too long."""
    size_ok = unit.end - unit.start <= limits.characters
    fits = size_ok and source.text.count("\n", unit.start, unit.end) < limits.lines
    if unit.type in _COMPOUND and unit.body_start >= 0:
        header = len(source.text[: unit.body_start].rstrip())
        if not fits or rng.random() < 0.25:
            return _first_statements_end(source, unit, header, limits, rng) if not fits else header
    return unit.end


def _first_statements_end(source: Source, unit: Unit, header: int, limits: Limits, rng: random.Random) -> int:
    """Of a block that is too long: its header, or as many first statements as fit."""
    if rng.random() < 0.5:
        return header
    block = next((b for b in source.blocks if b[0].start == unit.body_start), ())
    end = header
    for statement in block:
        too_long = statement.end - unit.start > limits.characters
        if too_long or source.text.count("\n", unit.start, statement.end) >= limits.lines - 2:
            break
        end = statement.end
        gap = source.text[statement.end : statement.end + 2]
        if gap == "\n\n":
            break
    return end


def _statement_rest(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    """A caret inside a statement: at the edge of a token, or within a word."""
    unit = _pick_statement(source, rng)
    if unit is None:
        return None
    text = source.text
    end = _whole_end(source, unit, limits, rng)
    # A decorated or multi-line statement: the caret may stand on any of its first lines.
    reach = _line_end(text, unit.start) if rng.random() < 0.75 else end
    first, last = unit.start + 1, min(reach, end)
    if last - first < 2:
        return None
    caret = rng.randrange(first, last)
    if rng.random() < 0.65:
        caret = _nearest_edge(source.edges, caret, first, last)
    if not text[_line_start(text, caret) : caret].strip():
        return None
    if rng.random() < 0.12:  # what stands behind the caret stays: only the rest of the line is missing
        end = min(end, _line_end(text, caret))
    return _hole(text, caret, end, "statement_rest") if end > caret else None


def _nearest_edge(edges: tuple[int, ...], caret: int, first: int, last: int) -> int:
    import bisect

    index = bisect.bisect_left(edges, caret)
    near = [e for e in edges[max(0, index - 1) : index + 2] if first <= e < last]
    return min(near, key=lambda e: abs(e - caret)) if near else caret


def _fresh_line(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    """A caret on a blank line, indented or not: a statement, several, or the rest of the block."""
    if not source.blocks:
        return None
    block = rng.choice(source.blocks)
    index = rng.randrange(len(block))
    unit = block[index]
    if _is_docstring(unit, source.text) and rng.random() < 0.7:
        return None
    text = source.text
    start = _line_start(text, unit.start)
    if text[start : unit.start].strip():
        return None
    end = _whole_end(source, unit, limits, rng)
    more = {0: 0, 1: 1, 2: 2, 3: 12}[rng.choices((0, 1, 2, 3), (60, 12, 8, 20))[0]]
    for following in block[index + 1 : index + 1 + more]:
        between = text[end : following.start]
        too_long = following.end - start > limits.characters
        if "\n\n" in between or too_long or text.count("\n", start, following.end) >= limits.lines:
            break
        end = following.end
    if rng.random() < 0.5:
        start = unit.start
    return _hole(text, start, end, "fresh_line")


def _node(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    """A whole syntactic unit, or its end from a caret within it."""
    if not source.units:
        return None
    kinds = {u.type for u in source.units}
    kind = rng.choice(sorted(kinds))
    unit = rng.choice([u for u in source.units if u.type == kind])
    start, end = unit.start, unit.end
    if kind in _INSIDES and source.text[start] in "([{" and rng.random() < 0.8:
        start, end = start + 1, end - 1
    if end - start < 3:
        return None
    line_start = _line_start(source.text, start)
    if kind == "block":
        choice = rng.random()
        if choice < 0.4 and not source.text[line_start:start].strip():
            start = line_start
        elif choice < 0.6:
            start = max(_line_start(source.text, start) - 1, 0)  # the end of the header line
    elif rng.random() < 0.4:
        start = rng.randrange(start, end - 1)
        if rng.random() < 0.4:
            start = _nearest_edge(source.edges, start, unit.start, end)
    return _hole(source.text, start, end, "node")


def _random_span(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    if len(source.text) < 200:
        return None
    start = rng.randrange(len(source.text) - 50)
    length = min(int(rng.expovariate(1 / 60)) + 4, 300)
    return _hole(source.text, start, min(start + length, len(source.text)), "random_span")


def _nothing(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    """A caret behind a complete simple statement: the right answer is to stop at once."""
    unit = _pick_statement(source, rng)
    if unit is None or unit.type in _COMPOUND or source.text[unit.end : unit.end + 1] != "\n":
        return None
    return _hole(source.text, unit.end, unit.end, "nothing")
