"""Where a draft that must be shortened would end: at a place at which a reader would also stop.

Never inside a word or a character; rather at the end of a line, an argument or a name than behind an open
bracket or quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mellum_lsp.completion.nesting import Nesting
from mellum_lsp.completion.surroundings import Surroundings

_DANGLING = re.compile(r"(?:\s|\.|,|[(\[{]|[=-]>|(?<!\+)\+|(?<!-)-|(?<![/*])[*/](?![*/])|[%=&|^!~<@\\])+$")
"""What nobody would stop behind: spaces, openers, and operators that want an operand."""

_WORTH_KEEPING = 0.5
"""Cutting back to before an open bracket or quote may cost this share of the text, not more."""

_SHORTEST_PIECE_OF_A_LINE = 8
"""A shorter beginning of a second or later line is no more than a distraction."""


def cut_back(text: str, end: int, around: Surroundings) -> int:
    """The best place at or before ``end`` at which ``text``, which goes on behind it, may end; 0 for none."""
    whole = _trim(text, _word_boundary(text, end))
    if text[:whole].endswith(":") and Nesting(around).read_all(text[:whole]).opened:
        whole = _trim(text, whole - 1)  # not a header's end but a key without its value
    balanced = _trim(text, _last_balanced(text[:whole], around))
    if balanced < whole * _WORTH_KEEPING:
        balanced = _outside_own_string(text, whole, around)
    return _without_scrap(text, balanced)


def shorter_ends(text: str, around: Surroundings) -> Iterator[int]:
    """The places at which ``text`` may end, all but its very end, longest first."""
    end = len(text)
    while end > 0:
        end = min(cut_back(text, end - 1, around), end - 1)
        if end > 0:
            yield end


def _word_boundary(text: str, end: int) -> int:
    """``end``, or the beginning of the word in whose middle it lies."""
    if end >= len(text) or not (_is_word(text[end]) and _is_word(text[end - 1 : end])):
        return end
    while end > 0 and _is_word(text[end - 1]):
        end -= 1
    return end


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _trim(text: str, end: int) -> int:
    """``end`` without what dangles before it."""
    found = _DANGLING.search(text[:end])
    return found.start() if found else end


def _last_balanced(text: str, around: Surroundings) -> int:
    """The last place at which everything that the text opened is closed again."""
    nesting = Nesting(around)
    opened_at: int | None = None
    for turn in nesting.read(text):
        if nesting.balanced:
            opened_at = None
        elif opened_at is None:
            opened_at = turn.event.offset
    return len(text) if opened_at is None else opened_at


def _without_scrap(text: str, end: int) -> int:
    """``end``, or the end of the line before it where it leaves next to nothing of a later line."""
    line_start = text.rfind("\n", 0, end) + 1
    scrap = text[line_start:end].strip()
    if line_start == 0 or text.startswith("\n", end) or len(scrap) >= _SHORTEST_PIECE_OF_A_LINE:
        return end
    return _trim(text, line_start - 1) or end


def _outside_own_string(text: str, end: int, around: Surroundings) -> int:
    """``end``, or the last whole line before it where it lies in a string that the text began."""
    nesting = Nesting(around)
    began = 0
    for turn in nesting.read(text[:end]):
        if turn.role == "opens" and turn.event.kind == "string":
            began = turn.event.offset
    if not nesting.in_own_string or nesting.state.kind != "string":
        return end
    line = text.rfind("\n", began, end)
    return _trim(text, line if line >= 0 else began)
