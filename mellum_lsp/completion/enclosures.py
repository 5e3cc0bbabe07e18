"""Which brackets and strings are open at a caret, and which of them the text behind it closes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

from mellum_lsp.completion.lexing import BEHIND_CHARACTERS, CODE, PAIRS, State, opened_by, opens_string, scan
from mellum_lsp.completion.lines import joins, width
from mellum_lsp.completion.syntax import Syntax

_DEEPEST = 400
"""No line is indented by more characters; the rest of a long one is not looked at for every bracket."""
_MARGIN_CHARACTERS = 20_000
_AT_THE_MARGIN = ("\ndef ", "\nclass ", "\nfunc", "\nexport ", "\npublic ", "\nconst ")
_READ_BY_WHAT_STANDS_BEFORE = ("/", "#", '"', "'", "`", "<")
_ANYWHERE = re.compile(r"\s*(?:#|\w+:(?!:))")
"""Begins a line that may stand further out than the block it is in: directives and labels."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A bracket or string that is open at the caret.

    ``provided``: ``here`` where its closer stands directly behind the caret (an editor may have put it
    there), ``later`` where it comes further on, ``no`` where it is still missing. ``indentation`` is that of
    the line on which it was opened, which may be the caret's own. ``strings`` counts the strings around what
    it encloses, itself included.
    """

    closer: str
    provided: Literal["here", "later", "no"]
    indentation: int
    on_caret_line: bool
    strings: int = 0

    @property
    def is_bracket(self) -> bool:
        return self.closer in (")", "]", "}")


class Inside(NamedTuple):
    """What is open at a caret, provided by nobody yet; ``line_state`` is the one at its line's beginning."""

    state: State
    line_state: State
    enclosures: tuple[Enclosure, ...]


class Behind(NamedTuple):
    """The text behind a caret: it begins in ``state`` with ``closers`` characters of closers.

    ``truncated``: the document goes on behind it.
    """

    text: str
    state: State
    closers: int
    truncated: bool


_Stack = tuple[tuple[Enclosure, int], ...]
"""What is open, each with where it was opened."""


def open_at_end(before: str, syntax: Syntax, state: State) -> Inside:
    """What is open behind ``before``, which begins in ``state``."""
    line = before.rfind("\n") + 1
    stack, line_state = _open_above(before[:line], syntax, state)
    stack, state = _read_on(stack, before, line, syntax, line_state)
    still_open = [
        e for e, offset in stack if e.on_caret_line or not _was_forgotten(e, before, offset, syntax)
    ]
    return Inside(state, line_state, tuple(still_open))


@lru_cache(maxsize=8)
def _open_above(lines: str, syntax: Syntax, state: State) -> tuple[_Stack, State]:
    """What is open behind whole lines: the same for every character that is typed on the next one."""
    begun = () if state.in_code else ((Enclosure(state.until, "no", 0, False, state.strings), 0),)
    stack, state = _read_on(begun, lines, 0, syntax, state)
    return tuple((replace(enclosure, on_caret_line=False), offset) for enclosure, offset in stack), state


def _read_on(stack: _Stack, text: str, start: int, syntax: Syntax, state: State) -> tuple[_Stack, State]:
    """What is open behind ``text``, with what was open at ``start``."""
    opened = list(stack)
    for event in scan(text[start:], syntax, state, text[max(0, start - BEHIND_CHARACTERS) : start]):
        offset = start + event.offset
        closer = ""
        if event.kind == "open":
            closer = PAIRS[event.text]
        elif event.kind in ("string", "comment") and event.state.until != "\n":
            closer = event.state.until
        elif event.kind == "close":
            same = [i for i, (enclosure, _) in enumerate(opened) if enclosure.closer == event.text]
            del opened[same[-1] if same else len(opened) :]  # what lies inside was never closed
        state = event.state
        if closer:
            enclosure = Enclosure(closer, "no", _indentation_at(text, offset), True, state.strings)
            opened.append((enclosure, offset))
        while opened and opened[-1][0].strings > state.strings:
            opened.pop()  # the string is over, and so is what was opened in it
    return tuple(opened), state


def provided_by(behind: Behind, inside: Inside, syntax: Syntax, before: str) -> tuple[Enclosure, ...]:
    """The enclosures, marked with what the text behind the caret closes.

    A closer that begins its line closes the bracket that was opened on a line with the same indentation;
    what lies further inside is then missing its own. So is a bracket that the lines below have left, as far
    as their indentation tells.
    """
    result = list(inside.enclosures)
    left = [_where_left(behind.text, enclosure) for enclosure in result]
    innermost = len(result) - 1
    in_order = True  # every closer behind the caret so far closed what was innermost
    # What stands before decides how quotes, slashes and the like are read, and nothing else.
    before = before[-BEHIND_CHARACTERS:] if behind.text[:1] in _READ_BY_WHAT_STANDS_BEFORE else ""
    for closer in _unopened(behind.text, behind.state, syntax, before):
        same = [
            i
            for i in range(innermost, -1, -1)
            if result[i].closer == closer.text and _is_inside(closer, result[i], left[i])
        ]
        in_order = in_order and bool(same) and same[0] == innermost
        here = closer.offset < behind.closers and in_order
        if not same:
            continue
        aligned = [i for i in same if closer.begins_line and result[i].indentation == closer.indentation]
        match = aligned[0] if aligned and not here else same[0]
        result[match] = replace(result[match], provided="here" if here else "later")
        innermost = match - 1
    if behind.truncated:
        # Nobody has read that far; code that goes on this long is mostly balanced.
        for i in range(innermost, -1, -1):
            if result[i].closer == "}" and left[i] == len(behind.text):
                result[i] = replace(result[i], provided="later")
    return tuple(result)


def state_at(text: str, start: int, syntax: Syntax) -> State:
    """A cheap guess at the lexer's state at a line's start, without reading everything before it.

    Delimiters of strings come in pairs: an odd number since the last definition at the margin, which is code,
    means that a string is open.
    """
    if start == 0:
        return CODE
    code = max(text.rfind(word, max(0, start - _MARGIN_CHARACTERS), start) for word in _AT_THE_MARGIN)
    for delimiter in (*syntax.multiline, *(opener for opener, closer in syntax.raw if opener == closer)):
        if (len(delimiter) == 3 or delimiter == "`") and text.count(delimiter, max(code, 0), start) % 2:
            return opened_by(delimiter, syntax)
    for opener, closer in syntax.block_comments:
        if text.rfind(opener, max(code, 0), start) > text.rfind(closer, max(code, 0), start):
            return State("block comment", closer, multiline=True)
    return CODE


def ends_below(text: str, offset: int, state: State, syntax: Syntax) -> bool:
    """Whether the text from ``offset`` on ends the string or comment that is open there.

    Delimiters of strings come in pairs: where the text read as code leaves such a string open, it is one
    delimiter short, which is the end of ours.
    """
    behind = text[offset : offset + _MARGIN_CHARACTERS]
    if state.heredoc:
        return bool(re.search(rf"^[ \t]*{re.escape(state.until)}(?!\w)", behind, re.MULTILINE))
    if state.kind == "string" and opens_string(state.until, syntax):
        read_as_code = CODE
        for event in scan(behind, syntax):
            read_as_code = event.state
        return any(around.until == state.until for around in read_as_code.chain() if not around.in_code)
    end = behind.find(state.until)
    opener = {"*/": "/*", "-}": "{-", "-->": "<!--", "]]": "[["}.get(state.until, "")
    begin = behind.find(opener) if opener else -1
    return end >= 0 and (begin < 0 or end < begin)


def _where_left(text: str, enclosure: Enclosure) -> int:
    """Where the first line below begins that stands no deeper than the one which opened the bracket.

    Such a line shows that the bracket is not open any more, unless it joins what is above it.
    """
    if not enclosure.is_bracket:
        return len(text)
    begin = text.find("\n") + 1
    while 0 < begin < len(text):
        end = text.find("\n", begin)
        line = text[begin : end if end >= 0 else len(text)]
        outside = bool(line.strip()) and width(line) <= enclosure.indentation
        if outside and not joins(line) and not _ANYWHERE.match(line):
            return begin
        if end < 0:
            break
        begin = end + 1
    return len(text)


def _is_inside(closer: _Closer, enclosure: Enclosure, left: int) -> bool:
    """Whether the closer stands where the enclosure is still open."""
    deep = closer.indentation is None or closer.indentation >= enclosure.indentation
    return not enclosure.is_bracket or (deep and closer.offset < left)


def _was_forgotten(enclosure: Enclosure, before: str, offset: int, syntax: Syntax) -> bool:
    """Whether a bracket cannot be meant to be open any more: a later line begins where its line began.

    Unfinished code is what people type in. Braces are another matter: lines in them may stand anywhere.
    """
    if not enclosure.is_bracket:
        return False
    if enclosure.closer == "}" and not syntax.colon_blocks:
        return False
    lines = before[offset:].split("\n")[1:]
    return any(
        width(line) <= enclosure.indentation and line.strip() and line.lstrip()[0] not in ")]}"
        for line in lines
    )


def _indentation_at(text: str, offset: int) -> int:
    line = text.rfind("\n", 0, offset) + 1
    return width(text[line : min(offset + 1, line + _DEEPEST)])


class _Closer(NamedTuple):
    """A closer behind the caret that nothing there opens.

    ``indentation`` is that of its line, None on the caret's own; ``begins_line``: nothing stands before it.
    """

    text: str
    offset: int
    indentation: int | None
    begins_line: bool


@lru_cache(maxsize=8)
def _unopened(text: str, state: State, syntax: Syntax, before: str) -> tuple[_Closer, ...]:
    opened: list[int] = []
    around = state.strings
    """How many strings around the caret are not over yet."""
    closers = []
    for event in scan(text, syntax, state, before):
        strings, state = state.strings, event.state
        if event.kind == "open":
            opened.append(strings)
        elif event.kind == "newline":
            around = min(around, state.strings)
            opened = [depth for depth in opened if depth <= state.strings]
        elif event.kind == "close" and opened:
            opened.pop()
        elif event.kind == "close" or (event.kind in ("string end", "comment end") and strings <= around):
            around = min(around, state.strings)
            line_start = text.rfind("\n", 0, event.offset) + 1
            indentation = _indentation_at(text, event.offset) if line_start else None
            begins_line = line_start > 0 and not text[line_start : event.offset].strip()
            closers.append(_Closer(event.text, event.offset, indentation, begins_line))
    return tuple(closers)
