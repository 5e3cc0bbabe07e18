"""What of the caret's own file goes into the prompt: which lines before it, which after it.

Two properties make the window cheap while the user types on one line (everything in front of the typed
characters keeps its KV cache):

* it begins in a place that does not move (the start is snapped to a grid of lines) and it reaches a fixed
  *number* of lines below the caret;
* closers that an editor inserts by itself right behind the caret are not part of the rendered suffix: typing
  ``(`` would otherwise change the suffix, which the prompt holds *before* the prefix, and cost a complete
  evaluation. They are kept apart in `Window.closers` for the rules to reconcile.

Training cuts its examples with the same functions.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Count = Callable[[str], int]
"""Counts the tokens of a text, as the served model tokenises it."""

PREFIX_GRID_LINES = 32
MAX_SUFFIX_LINES = 32
MAX_CHARACTERS_PER_TOKEN = 12
"""No more of a text is looked at than this, on average: a line of a megabyte must not be tokenised."""

_CLOSERS = re.compile(r"[)\]}\"'`]*")
_QUOTES = "\"'`"
_BEHIND_A_CLOSER = frozenset(" \t\n;:.,=)]}>")
"""In front of these, editors close brackets and quotes; a quote in front of anything else opens a string."""

_USUAL_CHARACTERS_PER_TOKEN = 3.0
_MOST_GUESSES = 5

_WORD_CHARACTERS = re.compile(r"\w*")
_LONGEST_WORD = 48
_ZERO_WIDTH_JOINER = "\u200d"
_MODIFIERS = re.compile("[\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
"""Tones of skin, and the tags that make the flags of regions."""
_FLAG_LETTER = re.compile("[\U0001f1e6-\U0001f1ff]")


@dataclass(frozen=True, slots=True)
class Window:
    """Text around the caret: ``prefix`` + caret + ``closers`` + ``suffix``; ``start_line`` counts from 0.

    The closers may reach over white space and line breaks."""

    prefix: str
    suffix: str
    closers: str
    start_line: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a window begins (line from 0) and how many whole lines it shows below the caret's line.

    Kept frozen while the caret stays near, so that the window's text in front of the caret stays the same.
    Only where the caret's line by itself is too long does a window begin or end inside a line: then
    ``start_column`` characters of the start line are left out, or the suffix has at most
    ``suffix_characters`` (None: no limit).
    """

    start_line: int
    lines_below: int
    start_column: int = 0
    suffix_characters: int | None = None


def closers_at(text: str, offset: int) -> str:
    """The run of brackets and quotes directly behind the caret that an editor may have inserted itself."""
    match = _CLOSERS.match(text, offset)
    run = match.group() if match else ""
    behind = text[offset + len(run) : offset + len(run) + 1]
    return run.rstrip(_QUOTES) if behind and behind not in _BEHIND_A_CLOSER else run


def cut(text: str, offset: int, geometry: Geometry) -> Window:
    """The window of ``geometry`` around ``offset``.

    A start line below the caret's own line means the caret's line; a start column behind the caret means the
    caret. But for the limits of ``geometry`` a window never begins or ends inside a line.
    """
    line_start = text.rfind("\n", 0, offset) + 1
    caret_line = text.count("\n", 0, line_start)
    start_line = min(geometry.start_line, caret_line)
    start = line_start
    for _ in range(caret_line - start_line):
        start = text.rfind("\n", 0, start - 1) + 1
    if start_line == geometry.start_line:
        start += geometry.start_column  # behind the caret, it leaves an empty prefix
    closers = closers_at(text, offset)
    end = behind = offset + len(closers)
    for _ in range(geometry.lines_below + 1):
        newline = text.find("\n", end)
        if newline < 0:
            end = len(text)
            break
        end = newline + 1
    if geometry.suffix_characters is not None:
        end = min(end, behind + geometry.suffix_characters)
        while end > behind and _continues_character(text, end):
            end -= 1
    return Window(text[start:offset], text[behind:end], closers, start_line)


def fit(text: str, offset: int, prefix_tokens: int, suffix_tokens: int, count: Count) -> Geometry:
    """The largest geometry whose prefix and suffix stay within their token budgets.

    Both budgets are kept exactly, as ``count`` counts the window's whole prefix and whole suffix. Where the
    caret's own line alone is too much, it is cut: the prefix from the left, the suffix from the right. The
    start is snapped *down the file* to a grid of lines, which leaves at least half of the lines that would
    have fitted, so that moving a few lines does not move it.
    """
    start_line, start_column = _fit_prefix(text, offset, prefix_tokens, count)
    lines_below, suffix_characters = _fit_suffix(text, offset, suffix_tokens, count)
    return Geometry(start_line, lines_below, start_column, suffix_characters)


def longest_tail(text: str, start: int, end: int, tokens: int, count: Count) -> int:
    """Where the longest tail of ``text[start:end]`` begins that has at most ``tokens`` tokens.

    It never begins inside a character and begins at a word where one is near. No more than
    `MAX_CHARACTERS_PER_TOKEN` characters per token are looked at.
    """
    longest = min(end - start, tokens * MAX_CHARACTERS_PER_TOKEN)
    begin = end - _longest(range(longest + 1), tokens, lambda length: count(text[end - length : end]))
    if begin == start:
        return begin
    if begin > 0 and _is_word(text[begin - 1]):
        word = _WORD_CHARACTERS.match(text, begin, begin + _LONGEST_WORD)
        if word and word.end() < min(begin + _LONGEST_WORD, end):
            begin = word.end()
    # A tail of a tail may, in rare tokenisations, have more tokens than the tail.
    while begin < end and (_continues_character(text, begin) or count(text[begin:end]) > tokens):
        begin += 1
    return begin


def longest_head(text: str, start: int, end: int, tokens: int, count: Count) -> int:
    """Where the longest head of ``text[start:end]`` ends that has at most ``tokens`` tokens."""
    longest = min(end - start, tokens * MAX_CHARACTERS_PER_TOKEN)
    end = start + _longest(range(longest + 1), tokens, lambda length: count(text[start : start + length]))
    while end > start and (_continues_character(text, end) or count(text[start:end]) > tokens):
        end -= 1
    return end


def _fit_prefix(text: str, offset: int, tokens: int, count: Count) -> tuple[int, int]:
    """Start line and start column."""
    line_start = text.rfind("\n", 0, offset) + 1
    caret_line = text.count("\n", 0, line_start)
    starts = [line_start]
    longest = tokens * MAX_CHARACTERS_PER_TOKEN
    while starts[-1] > 0 and offset - starts[-1] <= longest and len(starts) <= tokens:
        starts.append(text.rfind("\n", 0, starts[-1] - 1) + 1)
    lengths = [offset - start for start in starts if offset - start <= longest]
    lines_above = _longest_index(lengths, tokens, lambda length: count(text[offset - length : offset]))
    if lines_above < 0:
        return caret_line, longest_tail(text, line_start, offset, tokens, count) - line_start
    start_line = caret_line - lines_above
    if start_line == 0:
        return 0, 0
    grid = PREFIX_GRID_LINES
    while grid > max(1, (lines_above + 1) // 2):
        grid //= 2
    snapped = -(-start_line // grid) * grid
    # Fewer lines may, in rare tokenisations, have more tokens.
    while snapped > start_line and count(text[starts[caret_line - snapped] : offset]) > tokens:
        snapped -= 1
    return snapped, 0


def _fit_suffix(text: str, offset: int, tokens: int, count: Count) -> tuple[int, int | None]:
    """Lines below the caret's line, and the most characters of the suffix where even one line is too much."""
    behind = offset + len(closers_at(text, offset))
    ends = [_line_end(text, behind)]
    longest = tokens * MAX_CHARACTERS_PER_TOKEN
    while ends[-1] < len(text) and ends[-1] - behind <= longest and len(ends) <= MAX_SUFFIX_LINES:
        ends.append(_line_end(text, ends[-1]))
    lengths = [end - behind for end in ends if end - behind <= longest]
    lines_below = _longest_index(lengths, tokens, lambda length: count(text[behind : behind + length]))
    if lines_below < 0:
        return 0, longest_head(text, behind, ends[0], tokens, count) - behind
    return lines_below, None


def end_of_lines(text: str, offset: int, lines: int) -> int:
    """Where the ``lines`` lines from ``offset`` on end, or the text."""
    for _ in range(lines):
        offset = _line_end(text, offset)
    return offset


def _line_end(text: str, offset: int) -> int:
    newline = text.find("\n", offset)
    return newline + 1 if newline >= 0 else len(text)


def _longest(lengths: Sequence[int], tokens: int, measure: Callable[[int], int]) -> int:
    """The longest of ``lengths`` (rising) that has at most ``tokens`` tokens, 0 where none has."""
    index = _longest_index(lengths, tokens, measure)
    return lengths[index] if index >= 0 else 0


def _longest_index(lengths: Sequence[int], tokens: int, measure: Callable[[int], int]) -> int:
    """The index of the longest of ``lengths`` (rising) with at most ``tokens`` tokens, -1 where none has.

    Counting may mean asking another process, so the next length is guessed from the tokens that the last one
    had: four or five calls find the longest among hundreds of lines.
    """
    fits, too_long = -1, len(lengths)
    characters_per_token = _USUAL_CHARACTERS_PER_TOKEN
    guesses = 0
    while too_long - fits > 1:
        index = bisect_right(lengths, tokens * characters_per_token) - 1
        if guesses >= _MOST_GUESSES:
            index = (fits + too_long) // 2
        index = min(max(index, fits + 1), too_long - 1)
        spent = measure(lengths[index])
        if spent <= tokens:
            fits = index
        else:
            too_long = index
        characters_per_token = lengths[index] / max(spent, 1)
        guesses += 1
    return fits


def _continues_character(text: str, offset: int) -> bool:
    """Whether what the reader sees as one character runs across ``offset``.

    After the rules for grapheme clusters of Unicode Standard Annex 29, but for Hangul in its parts.
    """
    if offset <= 0 or offset >= len(text) or text[offset].isascii():
        return False
    return (
        text[offset] == _ZERO_WIDTH_JOINER
        or text[offset - 1] == _ZERO_WIDTH_JOINER
        or unicodedata.category(text[offset]) in ("Mn", "Mc", "Me")
        or _MODIFIERS.match(text, offset) is not None
        or len(_flags_before(text, offset)) % 2 == 1 == len(_FLAG_LETTER.findall(text[offset]))
    )


def _flags_before(text: str, offset: int) -> str:
    """The letters of flags directly in front of ``offset``; two make a flag."""
    start = offset
    while start > 0 and _FLAG_LETTER.match(text[start - 1]):
        start -= 1
    return text[start:offset]


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()
