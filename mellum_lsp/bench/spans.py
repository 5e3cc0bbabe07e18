"""Which span of a file to remove for a hole of each kind: chosen by syntax, shaped as users type."""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Literal

from mellum_lsp.bench.syntax import Outline, Span

Kind = Literal["single-line", "block", "mid-line"]
Boundary = Literal["line", "token", "word"]
"""Where the caret stands: on a line with nothing before it, behind a token, or within a word."""

LONGEST_BLOCK_LINES = 12
LONGEST_BLOCK_CHARACTERS = 700
SHORTEST_LINE = 8
LONGEST_LINE = 160
SHORTEST_REST = 4
PIECE_CHARACTERS = (4, 80)

_PART_OF_A_LINE = 0.7
_WITHIN_WORDS = 0.25
_CLOSED_BY_AN_EDITOR = 0.5
_BEHIND_THE_HEADER = 0.6
"""Shares of the shapes that a hole of a kind takes."""

_CLOSERS = {")": "(", "]": "[", "}": "{"}
_TRAILING_CLOSERS = re.compile(r"[)\]}]+[;,]?$")
_GOES_ON = re.compile(r"[\w{:=+*/<>&|?-]")


def _single_line(source: Outline, rng: random.Random) -> Span | None:
    statement = _pick(source.statements, rng)
    if statement is None:
        return None
    line = source.text[statement.start : statement.end]
    if "\n" in line or not SHORTEST_LINE <= len(line) <= LONGEST_LINE:
        return None
    start = statement.start
    if rng.random() < _PART_OF_A_LINE:
        caret = _edge_within(source, statement, rng)
        if caret is None:
            return None
        start = caret
        if rng.random() < _WITHIN_WORDS:
            start = _into_word(source, caret, rng)
    end = statement.end
    if rng.random() < _CLOSED_BY_AN_EDITOR:
        end -= len(_left_by_an_editor(source.text[start:end]))
    return Span(start, end) if end - start >= SHORTEST_REST else None


def _block(source: Outline, rng: random.Random) -> Span | None:
    statement = _pick(source.statements, rng)
    if statement is None:
        return None
    text = source.text[statement.start : statement.end]
    lines = text.split("\n")
    if not 2 <= len(lines) <= LONGEST_BLOCK_LINES or len(text) > LONGEST_BLOCK_CHARACTERS:
        return None
    if not all(line.strip() for line in lines):
        return None
    start = statement.start
    if rng.random() < _BEHIND_THE_HEADER:
        start += len(lines[0].rstrip())
    return Span(start, statement.end)


def _mid_line(source: Outline, rng: random.Random) -> Span | None:
    piece = _pick(source.pieces, rng)
    if piece is None:
        return None
    shortest, longest = PIECE_CHARACTERS
    line_end = source.text.find("\n", piece.end)
    rest = source.text[piece.end : line_end if line_end >= 0 else len(source.text)]
    if not shortest <= piece.end - piece.start <= longest or not _GOES_ON.search(rest) or _is_word(rest[0]):
        return None
    return piece


def _pick(spans: Sequence[Span], rng: random.Random) -> Span | None:
    return rng.choice(spans) if spans else None


def _edge_within(source: Outline, statement: Span, rng: random.Random) -> int | None:
    """The beginning of a token inside a statement, which leaves something to be said."""
    first = bisect_right(source.edges, statement.start)
    last = bisect_left(source.edges, statement.end - SHORTEST_REST)
    return source.edges[rng.randrange(first, last)] if last > first else None


def _into_word(source: Outline, offset: int, rng: random.Random) -> int:
    """Some characters into the word that begins at ``offset``, where one does."""
    word = source.word_starts.get(offset)
    return offset + rng.randint(1, min(4, len(word.text) - 1)) if word and len(word.text) > 2 else offset


def _left_by_an_editor(rest: str) -> str:
    """The closers at the end of ``rest`` that it does not open itself, with a ``;`` behind them."""
    match = _TRAILING_CLOSERS.search(rest)
    if match is None:
        return ""
    kept = ""
    for position in range(match.start(), len(rest)):
        closer = rest[position]
        opener = _CLOSERS.get(closer)
        if opener and rest[:position].count(opener) <= rest[:position].count(closer):
            kept = rest[position:]
            break
    return kept


def boundary_at(text: str, offset: int) -> Boundary:
    """Which kind of boundary a caret at ``offset`` is."""
    if not text[text.rfind("\n", 0, offset) + 1 : offset].strip():
        return "line"
    within = offset < len(text) and _is_word(text[offset]) and _is_word(text[offset - 1])
    return "word" if within else "token"


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


SPANS: dict[Kind, Callable[[Outline, random.Random], Span | None]] = {
    "single-line": _single_line,
    "block": _block,
    "mid-line": _mid_line,
}
"""One throw for each kind; None where it found nothing fit."""
