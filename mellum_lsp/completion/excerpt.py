"""A bounded piece of a document around the caret that still makes sense to a parser.

Parsing a whole file at every keystroke would cost more than it tells. The piece begins and ends beside a line
that encloses the caret, or beside a sibling of one, as far as indentation tells; of what encloses it further
out, only the lines are kept that open and close it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mellum_lsp.completion.lines import joins, width

BEFORE_CHARACTERS = 4000
AFTER_CHARACTERS = 2000
_FAR_CHARACTERS = 30_000
"""How far lines that open and close what encloses the caret are looked for."""

_OPENS = re.compile(r"(?:[({\[:]|\b(?:then|do|else|ensure|begin))\s*$")
_DECORATIONS = re.compile(r"(?:\n[ \t]*(?:(?:@|#\[|\[\w|//|\*|/\*)[^\n]*)?)+\Z")
"""Lines at the end that belong to what is cut off."""


class Excerpt(NamedTuple):
    """What is kept before and behind the caret."""

    before: str
    after: str


def excerpt(text: str, offset: int) -> Excerpt:
    """The excerpt around ``offset``; all of a short text. Linear in the limits above."""
    return Excerpt(_before(text, offset), _after(text, offset))


def _before(text: str, offset: int) -> str:
    if offset <= BEFORE_CHARACTERS:
        return text[:offset]
    caret_line = text.rfind("\n", 0, offset) + 1
    start, shallowest = caret_line, _column(text[caret_line:offset], 1000)
    headers: list[str] = []
    for begin, line in _lines_above(text, caret_line):
        column = _column(line, shallowest + 1)
        if column > shallowest:
            continue
        joining = joins(line)
        if offset - begin <= BEFORE_CHARACTERS:
            start = start if joining else begin
        elif column < shallowest or (headers and joins(headers[-1])):
            headers.append(line)
        shallowest = column
        if not column and headers and not joining:
            break
    return "".join(f"{line}\n" for line in reversed(headers)) + text[start:offset]


def _after(text: str, offset: int) -> str:
    if len(text) - offset <= AFTER_CHARACTERS:
        return text[offset:]
    caret_line = text.rfind("\n", 0, offset) + 1
    line_end = text.find("\n", offset)
    line_end = end = line_end if line_end >= 0 else len(text)
    shallowest = _column(text[caret_line:end], 1000)
    closing: list[str] = []
    encloses = True
    """Whether a line that joins another joins what encloses the caret, not a sibling below it."""
    for begin, line in _lines_below(text, line_end):
        column = _column(line, shallowest + 1)
        if column > shallowest:
            continue
        joining, opens = joins(line), bool(_OPENS.search(line))
        near = begin - offset <= AFTER_CHARACTERS
        encloses = joining and (encloses or column < shallowest)
        if encloses and (opens or not near):
            closing.append(line)  # complete only with its own end, if that is near enough
        elif near and not (joining and opens):
            end, closing = begin + len(line) if joining else begin - 1, []
        shallowest = column
        if not column and not near and not joining:
            break
    kept = _DECORATIONS.sub("", text[line_end:end])
    return text[offset:line_end] + kept + "".join(f"\n{line}" for line in closing)


def _column(line: str, if_blank: int) -> int:
    return width(line) if line.strip() else if_blank


def _lines_above(text: str, offset: int) -> Iterator[tuple[int, str]]:
    """The lines over the one that begins at ``offset``, nearest first, each with where it begins."""
    end, furthest = offset - 1, offset - _FAR_CHARACTERS
    while end >= 0 and end > furthest:
        begin = text.rfind("\n", 0, end) + 1
        yield begin, text[begin:end]
        end = begin - 1


def _lines_below(text: str, offset: int) -> Iterator[tuple[int, str]]:
    """The lines under the one that ends at ``offset``."""
    begin, furthest = offset + 1, offset + _FAR_CHARACTERS
    while begin < len(text) and begin < furthest:
        end = text.find("\n", begin)
        end = end if end >= 0 else len(text)
        yield begin, text[begin:end]
        begin = end + 1
