"""What stands around a caret, as far as stop policy, gate and rules must know it.

The central question is which closers the text behind the caret already provides: a draft may close only what
nobody else closes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from mellum_lsp.completion.lexing import CODE, PAIRS, State, opened_by, opens_string, scan
from mellum_lsp.completion.syntax import Syntax, syntax_of
from mellum_lsp.domain import Caret
from mellum_lsp.prompt.windows import closers_at

BEFORE_CHARACTERS = 3000
AFTER_CHARACTERS = 2000
LINES_BELOW = 3
WINDOW_CHARACTERS = 20
_MARGIN_CHARACTERS = 20_000
_AT_THE_MARGIN = ("\ndef ", "\nclass ", "\nfunc", "\nexport ", "\npublic ", "\nconst ")


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


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``enclosures`` has the innermost last; ``tail`` is the caret's line behind the closers.

    ``state`` is the lexer's at the caret, ``line_state`` at the beginning of the caret's line.
    ``lines_below`` are the next non-blank lines under the caret's line, ``line_above`` the last one over it.
    ``window`` is a stretch of the text behind the caret that no draft should reproduce, or empty.
    """

    syntax: Syntax
    state: State
    line_state: State
    enclosures: tuple[Enclosure, ...]
    closers: str
    line_before: str
    tail: str
    line_above: str
    lines_below: tuple[str, ...]
    window: str

    @property
    def mid_line(self) -> bool:
        """More than closers stands behind the caret on its line."""
        return bool(self.tail.strip())

    @property
    def on_blank_line(self) -> bool:
        return not self.line_before.strip()


_seen: list[tuple[Caret, Surroundings]] = []
_SEEN_CARETS = 4


def look(caret: Caret) -> Surroundings:
    """The surroundings of ``caret``. Costs about the same in a document of any length.

    Every rule of a request looks from the same caret, so the last few answers are kept.
    """
    for seen, around in _seen:
        if seen is caret:
            return around
    around = _look_around(caret)
    _seen.append((caret, around))
    del _seen[:-_SEEN_CARETS]
    return around


def _look_around(caret: Caret) -> Surroundings:
    text, offset = caret.text, caret.offset
    syntax = syntax_of(caret.language)
    start = text.rfind("\n", 0, max(0, offset - BEFORE_CHARACTERS)) + 1
    start_state = _state_at(text, start, syntax)
    before = text[start:offset]
    after = text[offset : offset + AFTER_CHARACTERS]
    truncated = offset + AFTER_CHARACTERS < len(text)
    inside = _open_at_end(before, syntax, start_state)
    # Where nothing ends the string that was just begun, what follows is code and not its content.
    unended = any(
        around.multiline and not _ends_below(text, offset, around, syntax)
        for around in inside.state.chain()
        if not around.in_code
    )
    return _look(before, after, truncated, syntax, inside, CODE if unended else inside.state)


def _look(
    before: str, after: str, truncated: bool, syntax: Syntax, inside: _Inside, state_behind: State
) -> Surroundings:
    closers = closers_at(after, 0)
    unopened = list(_unopened(after, syntax, state_behind, before))
    line_before = before[before.rfind("\n") + 1 :]
    line_end = after.find("\n")
    line_after = after if line_end < 0 else after[:line_end]
    below = [line for line in after[len(line_after) :].split("\n") if line.strip()]
    if truncated and below:
        below.pop()  # perhaps not the whole line
    above = [line for line in before[: len(before) - len(line_before)].split("\n")[-20:] if line.strip()]
    return Surroundings(
        syntax=syntax,
        state=inside.state,
        line_state=inside.line_state,
        enclosures=_provide(inside.enclosures, unopened, len(closers), truncated),
        closers=closers,
        line_before=line_before,
        tail=line_after[len(closers) :],
        line_above=above[-1] if above else "",
        lines_below=tuple(below[:LINES_BELOW]),
        window=_window(line_after[len(closers) :], below),
    )


def width(line: str) -> int:
    """The columns of a line's indentation; a tab reaches to the next multiple of four."""
    columns = 0
    for character in line:
        if character == " ":
            columns += 1
        elif character == "\t":
            columns += 4 - columns % 4
        else:
            break
    return columns


def _state_at(text: str, start: int, syntax: Syntax) -> State:
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


def _ends_below(text: str, offset: int, state: State, syntax: Syntax) -> bool:
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


class _Inside(NamedTuple):
    """What is open at a caret, provided by nobody yet."""

    state: State
    line_state: State
    enclosures: tuple[Enclosure, ...]


def _open_at_end(before: str, syntax: Syntax, state: State) -> _Inside:
    caret_line = before.rfind("\n") + 1
    line_state = state
    stack: list[tuple[Enclosure, int]] = []

    def push(closer: str, offset: int, inside: State) -> None:
        indentation = _indentation_at(before, offset)
        stack.append((Enclosure(closer, "no", indentation, offset >= caret_line, inside.strings), offset))

    if not state.in_code:
        push(state.until, 0, state)
    for event in scan(before, syntax, state):
        if event.kind == "open":
            push(PAIRS[event.text], event.offset, event.state)
        elif event.kind in ("string", "comment") and event.state.until != "\n":
            push(event.state.until, event.offset, event.state)
        elif event.kind == "close":
            same = [i for i, (enclosure, _) in enumerate(stack) if enclosure.closer == event.text]
            del stack[same[-1] if same else len(stack) :]  # what lies inside was never closed
        state = event.state
        while stack and stack[-1][0].strings > state.strings:
            stack.pop()  # the string is over, and so is what was opened in it
        if event.offset < caret_line:
            line_state = state
    still_open = [e for e, offset in stack if not _was_forgotten(e, before, offset, syntax)]
    return _Inside(state, line_state, tuple(still_open))


def _was_forgotten(enclosure: Enclosure, before: str, offset: int, syntax: Syntax) -> bool:
    """Whether a bracket cannot be meant to be open any more: a later line begins where its line began.

    Unfinished code is what people type in. Braces are another matter: lines in them may stand anywhere.
    """
    if enclosure.on_caret_line or (enclosure.closer == "}" and not syntax.colon_blocks):
        return False
    if enclosure.closer not in (")", "]", "}"):
        return False
    lines = before[offset:].split("\n")[1:]
    return any(
        width(line) <= enclosure.indentation and line.strip() and line.lstrip()[0] not in ")]}"
        for line in lines
    )


def _indentation_at(text: str, offset: int) -> int:
    return width(text[text.rfind("\n", 0, offset) + 1 : offset + 1])


class _Closer(NamedTuple):
    """A closer behind the caret that nothing there opens; ``indentation`` only if it begins its line."""

    text: str
    offset: int
    indentation: int | None


def _unopened(after: str, syntax: Syntax, state: State, before: str) -> Iterator[_Closer]:
    opened: list[int] = []
    around = state.strings
    """How many strings around the caret are not over yet."""
    for event in scan(after, syntax, state, before):
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
            line_start = after.rfind("\n", 0, event.offset) + 1
            begins_line = line_start > 0 and not after[line_start : event.offset].strip()
            yield _Closer(
                event.text, event.offset, _indentation_at(after, event.offset) if begins_line else None
            )


def _provide(
    enclosures: tuple[Enclosure, ...], unopened: list[_Closer], closers: int, truncated: bool
) -> tuple[Enclosure, ...]:
    """Mark what the text behind the caret closes.

    A closer that begins its line closes the bracket that was opened on a line with the same indentation;
    what lies further inside is then missing its own.
    """
    result = list(enclosures)
    innermost = len(result) - 1
    in_order = True  # every closer behind the caret so far closed what was innermost
    for closer in unopened:
        same = [i for i in range(innermost, -1, -1) if result[i].closer == closer.text]
        in_order = in_order and bool(same) and same[0] == innermost
        here = closer.offset < closers and in_order
        if not same:
            continue
        aligned = [i for i in same if result[i].indentation == closer.indentation]
        match = aligned[0] if aligned and not here else same[0]
        result[match] = replace(result[match], provided="here" if here else "later")
        innermost = match - 1
    if truncated:
        # Nobody has read that far; code that goes on this long is mostly balanced.
        for i in range(innermost, -1, -1):
            if result[i].closer == "}":
                result[i] = replace(result[i], provided="later")
    return tuple(result)


def _window(tail: str, below: list[str]) -> str:
    """At least 20 characters of what follows: of the caret's line, else the whole next line.

    A shorter piece of the next line would do harm: neighbouring lines often begin alike.
    """
    next_line = below[0].strip() if below else ""
    text = tail.strip()[:WINDOW_CHARACTERS] or next_line
    return text if len(text) >= WINDOW_CHARACTERS and len(re.findall(r"\w", text)) >= 8 else ""
