"""Where to cut: middles at syntactic units of any language, as offsets into a text.

Kinds follow what a server is asked for (`statement_rest`, `fresh_line`, `comment`, `nothing`) and what
teaches code (`node`, `random_span`); four boundaries: block (behind the indentation), line start (column 0,
the indentation is part of the middle), mid-line, and mid-token. Every function is pure; randomness comes in
as a `random.Random`.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable
from dataclasses import dataclass

from mellum_lsp.prompt.windows import closers_at
from training.syntax import Block, Source, Unit

_DOCSTRINGS = ('"""', "'''", 'r""')


@dataclass(frozen=True, slots=True)
class Hole:
    """``text[start:end]`` is removed; the model must give it back (and the closers behind it)."""

    start: int
    end: int
    kind: str
    boundary: str


@dataclass(frozen=True, slots=True)
class Limits:
    characters: int = 700
    lines: int = 12


def choose(source: Source, kind: str, limits: Limits, rng: random.Random) -> Hole | None:
    """A hole of ``kind``, or None where this file offers none at the first tries."""
    for _ in range(6):
        hole = CHOOSERS[kind](source, limits, rng)
        if hole and _fits(source.text, hole, limits):
            return hole
    return None


def middle_of(text: str, hole: Hole) -> str:
    """What the model must say: the removed text and the closers that stay out of the rendered suffix."""
    return text[hole.start : hole.end] + closers_at(text, hole.end)


def boundary_at(text: str, offset: int) -> str:
    """Which of the four kinds of boundary a caret at ``offset`` is."""
    line = text[_line_start(text, offset) : offset]
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
    return not middle if hole.kind == "nothing" else bool(middle.strip())


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def _hole(text: str, start: int, end: int, kind: str) -> Hole:
    return Hole(start, end, kind, boundary_at(text, start))


def _is_dull(unit: Unit, text: str, rng: random.Random) -> bool:
    """Docstrings and imports are common and teach little: most are passed over."""
    if text.startswith(_DOCSTRINGS, unit.start):
        return rng.random() < 0.7
    return ("import" in unit.type or "include" in unit.type) and rng.random() < 0.5


def _pick_block(source: Source, rng: random.Random) -> Block | None:
    """By the number of statements, so that every statement is as likely."""
    if not source.blocks:
        return None
    return rng.choices(source.blocks, [len(b.statements) for b in source.blocks])[0]


def _pick_statement(source: Source, rng: random.Random) -> Unit | None:
    for _ in range(4):
        block = _pick_block(source, rng)
        if block is None:
            return None
        unit = rng.choice(block.statements)
        if not _is_dull(unit, source.text, rng):
            return unit
    return None


def _header_end(text: str, unit: Unit) -> int:
    """Behind the colon or brace with which a statement opens its block."""
    if text[unit.body_start] == "{":
        return unit.body_start + 1
    return len(text[: unit.body_start].rstrip())


def _too_much(text: str, start: int, end: int, limits: Limits, spare_lines: int = 0) -> bool:
    return end - start > limits.characters or text.count("\n", start, end) >= limits.lines - spare_lines


def _whole_end(source: Source, unit: Unit, limits: Limits, rng: random.Random) -> int:
    """The end of a statement with the block that it opens; less of it where the block is too long."""
    if not unit.is_compound:
        return unit.end
    if _too_much(source.text, unit.start, unit.end, limits):
        return _beginning_end(source, unit, limits, rng)
    return _header_end(source.text, unit) if rng.random() < 0.25 else unit.end


def _beginning_end(source: Source, unit: Unit, limits: Limits, rng: random.Random) -> int:
    """Of a block that is too long: its header, or as many first statements as fit."""
    text = source.text
    end = _header_end(text, unit)
    if rng.random() < 0.5:
        return end
    inside = (b for b in source.blocks if unit.body_start <= b.start and b.end <= unit.body_end)
    outermost = min(inside, key=lambda b: b.start, default=None)
    for statement in outermost.statements if outermost else ():
        if _too_much(text, unit.start, statement.end, limits, spare_lines=2):
            break
        end = statement.end
        if text.startswith("\n\n", end):
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
    index = bisect.bisect_left(edges, caret)
    near = [e for e in edges[max(0, index - 1) : index + 2] if first <= e < last]
    return min(near, key=lambda e: abs(e - caret)) if near else caret


def _fresh_line(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    """A caret on a blank line, indented or not: a statement, several, or the rest of the paragraph."""
    block = _pick_block(source, rng)
    if block is None:
        return None
    index = rng.randrange(len(block.statements))
    unit = block.statements[index]
    text = source.text
    start = _line_start(text, unit.start)
    if text[start : unit.start].strip() or _is_dull(unit, text, rng):
        return None
    end = _whole_end(source, unit, limits, rng)
    more = rng.choices((0, 1, 2, 12), (60, 12, 8, 20))[0]
    for following in block.statements[index + 1 : index + 1 + more]:
        if "\n\n" in text[end : following.start] or _too_much(text, start, following.end, limits):
            break
        end = following.end
    if rng.random() < 0.5:
        start = unit.start
    return _hole(text, start, end, "fresh_line")


def _node(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    """A whole syntactic unit, or its end from a caret within it."""
    if not source.units:
        return None
    kind = rng.choice(sorted({u.type for u in source.units}))
    unit = rng.choice([u for u in source.units if u.type == kind])
    if unit.is_block:
        return _block(source.text, unit, rng)
    start, end = unit.start, unit.end
    if unit.has_brackets and rng.random() < 0.8:
        start, end = start + 1, end - 1
    if end - start < 3:
        return None
    if rng.random() < 0.4:
        start = rng.randrange(start, end - 1)
        if rng.random() < 0.4:
            start = _nearest_edge(source.edges, start, unit.start, end)
    return _hole(source.text, start, end, "node")


def _block(text: str, unit: Unit, rng: random.Random) -> Hole:
    """What a block holds: from the end of its header's line, from column 0, or behind the indentation."""
    if text[unit.start] == "{":
        inner = text[unit.start + 1 : unit.end - 1]
        first = unit.start + 1 + len(inner) - len(inner.lstrip())
        last = unit.end - 1 - (len(inner) - len(inner.rstrip()))
        if rng.random() < 0.3:  # everything between the braces, the caret directly behind the first
            return _hole(text, unit.start + 1, unit.end - 1, "node")
    else:
        first, last = unit.start, unit.end
        if rng.random() < 0.3:
            return _hole(text, max(_line_start(text, first) - 1, 0), last, "node")
    line = _line_start(text, first)
    return _hole(text, line if rng.random() < 0.5 and not text[line:first].strip() else first, last, "node")


def _random_span(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    if len(source.text) < 200:
        return None
    start = rng.randrange(len(source.text) - 50)
    length = min(int(rng.expovariate(1 / 60)) + 4, 300)
    return _hole(source.text, start, min(start + length, len(source.text)), "random_span")


def _comment(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    """The rest of a line of a comment: prose, the one place where natural language is asked for."""
    if not source.comments:
        return None
    start, end = rng.choice(source.comments)
    if end - start < 12:
        return None
    caret = rng.randrange(start + 3, end - 3)
    return _hole(source.text, caret, min(end, _line_end(source.text, caret)), "comment")


def _nothing(source: Source, limits: Limits, rng: random.Random) -> Hole | None:
    """Where the right answer is to stop at once: behind a complete statement or header, at the file's end."""
    text = source.text
    if rng.random() < 0.12:
        return _hole(text, len(text), len(text), "nothing")
    unit = _pick_statement(source, rng)
    if unit is None:
        return None
    caret = unit.end
    if unit.is_compound:
        caret = _header_end(text, unit)
    return _hole(text, caret, caret, "nothing") if text.startswith("\n", caret) else None


CHOOSERS: dict[str, Callable[[Source, Limits, random.Random], Hole | None]] = {
    "statement_rest": _statement_rest,
    "fresh_line": _fresh_line,
    "node": _node,
    "random_span": _random_span,
    "comment": _comment,
    "nothing": _nothing,
}
