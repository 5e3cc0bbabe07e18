"""What of the caret's own file goes into the prompt: which lines before it, which after it.

Two properties make the window cheap while the user types on one line (everything in front of the typed
characters keeps its KV cache):

* it begins on a line that does not move (the start is snapped to a grid of lines) and it reaches a fixed
  *number* of lines below the caret;
* closers that an editor inserts by itself right behind the caret are not part of the rendered suffix: typing
  ``(`` would otherwise change the suffix, which the prompt holds *before* the prefix, and cost a complete
  evaluation. They are kept apart in `Window.closers` for the rules to reconcile.

Training cuts its examples with the same functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Count = Callable[[str], int]
"""Counts the tokens of a text, as the served model tokenises it."""

PREFIX_GRID_LINES = 32
MAX_SUFFIX_LINES = 32

_CLOSERS = re.compile(r"[)\]}\"'`]*")


@dataclass(frozen=True, slots=True)
class Window:
    """Text around the caret: ``prefix`` + caret + ``closers`` + ``suffix``; ``start_line`` counts from 0."""

    prefix: str
    suffix: str
    closers: str
    start_line: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a window begins (line from 0) and how many whole lines it shows below the caret's line.

    Kept frozen while the caret stays near, so that the window's text in front of the caret stays the same.
    """

    start_line: int
    lines_below: int


def closers_at(text: str, offset: int) -> str:
    """The run of brackets and quotes directly behind the caret that an editor may have inserted itself."""
    match = _CLOSERS.match(text, offset)
    return match.group() if match else ""


def cut(text: str, offset: int, geometry: Geometry) -> Window:
    """The window of ``geometry`` around ``offset``.

    A start line below the caret's own line means the caret's line; a window never ends inside a line.
    """
    start = _line_offset(text, geometry.start_line)
    line_start = text.rfind("\n", 0, offset) + 1
    start_line = geometry.start_line
    if start is None or start > line_start:
        start, start_line = line_start, text.count("\n", 0, line_start)
    closers = closers_at(text, offset)
    end = offset + len(closers)
    for _ in range(geometry.lines_below + 1):
        newline = text.find("\n", end)
        if newline < 0:
            end = len(text)
            break
        end = newline + 1
    return Window(text[start:offset], text[offset + len(closers) : end], closers, start_line)


def fit(text: str, offset: int, prefix_tokens: int, suffix_tokens: int, count: Count) -> Geometry:
    """The largest geometry whose prefix and suffix stay within their token budgets.

    The caret's own line is always shown, whatever it costs (a caller with a hard limit cuts its tokens from
    the left). The start is snapped *down the file* to the grid while at least half of the budget's lines
    remain, so that moving a few lines does not move it.
    """
    line_start = text.rfind("\n", 0, offset) + 1
    caret_line = text.count("\n", 0, line_start)
    spent = count(text[line_start:offset])
    start, start_line = line_start, caret_line
    while start > 0:
        previous = text.rfind("\n", 0, start - 1) + 1
        spent += count(text[previous:start])
        if spent > prefix_tokens:
            break
        start, start_line = previous, start_line - 1
    if start_line > 0:
        snapped = -(-start_line // PREFIX_GRID_LINES) * PREFIX_GRID_LINES
        if caret_line - snapped >= (caret_line - start_line) // 2:
            start_line = snapped
    lines_below = 0
    line_end = text.find("\n", offset)
    spent = count(text[offset : line_end + 1 if line_end >= 0 else len(text)])
    while line_end >= 0 and lines_below < MAX_SUFFIX_LINES:
        next_end = text.find("\n", line_end + 1)
        line = text[line_end + 1 : next_end + 1 if next_end >= 0 else len(text)]
        spent += count(line)
        if not line or spent > suffix_tokens:
            break
        lines_below += 1
        line_end = next_end
    return Geometry(start_line, lines_below)


def _line_offset(text: str, line: int) -> int | None:
    """Where ``line`` (from 0) begins, or None where the text has fewer lines."""
    offset = 0
    for _ in range(line):
        offset = text.find("\n", offset) + 1
        if offset == 0:
            return None
    return offset
