"""A light lexer: brackets, strings and comments, and nothing else of a language.

It is never wrong about plain code and forgiving about the rest: a string that is not closed on its line ends
with the line, unless the language lets it go on. Code inside a string (``${…}`` in a template) is code again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

from mellum_lsp.completion.syntax import Syntax

PAIRS = {"(": ")", "[": "]", "{": "}"}
OPENER_OF = {closer: opener for opener, closer in PAIRS.items()}
BEHIND_CHARACTERS = 40
"""How much of what stands before a text decides how its first characters are read."""

_REGEX = re.compile(r"/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/")
_VALUE_EXPECTED = re.compile(
    r"(?:^|[\n(,=:\[!&|?{;~^+*%-]|=>"
    r"|\b(?:return|typeof|case|in|of|delete|void|throw|else|do|yield|await|and|or|not|if|unless|when|while))"
    r"[ \t]*\Z"
)


@dataclass(frozen=True, slots=True)
class State:
    """Where the lexer stands: in code, or in something that ``until`` ends (``\\n``: with the line).

    ``back`` is the state in which it goes on behind that: None for plain code. Code in a hole of a string has
    the string's state there, ``until`` is the hole's closing bracket and ``depth`` counts open ones of its
    kind. ``pending`` are the last words of strings that begin on the next line.
    """

    kind: Literal["code", "string", "line comment", "block comment"] = "code"
    until: str = ""
    multiline: bool = False
    raw: bool = False
    holes: tuple[str, ...] = ()
    heredoc: bool = False
    depth: int = 0
    back: State | None = None
    pending: tuple[str, ...] = ()

    @property
    def in_code(self) -> bool:
        return self.kind == "code"

    def chain(self) -> Iterator[State]:
        """This state and those around it, innermost first."""
        state: State | None = self
        while state is not None:
            yield state
            state = state.back

    @property
    def strings(self) -> int:
        """How many strings and comments lie around this place."""
        own = self.kind != "code"
        return own if self.back is None else own + self.back.strings

    def pattern(self) -> re.Pattern[str]:
        """What matters inside a string or comment in this state."""
        return _inside(self.kind, self.until, self.raw, self.heredoc, self.holes)

    def outside(self) -> State:
        return self.back or CODE


CODE = State()


class Event(NamedTuple):
    """Something at ``offset`` of the scanned text; ``text`` is the bracket or delimiter itself.

    ``state`` is the lexer's state behind it. Line breaks are events only inside strings and comments, and
    where a string begins or ends with one. A ``heredoc`` announces a string that begins on the next line.
    """

    offset: int
    kind: Literal["open", "close", "string", "string end", "comment", "comment end", "newline", "heredoc"]
    text: str
    state: State

    @property
    def end(self) -> int:
        return self.offset + len(self.text)


def scan(text: str, syntax: Syntax, state: State = CODE, before: str = "") -> Iterator[Event]:
    """The events of ``text``, which begins in ``state`` behind ``before``. Linear in the text's length."""
    grammar = _grammar(syntax)
    before = before[-BEHIND_CHARACTERS:]
    whole, shift = before + text, len(before)
    offset = shift
    while True:
        pattern = grammar.pattern(state) if state.in_code else state.pattern()
        found = pattern.search(whole, offset)
        if found is None:
            return
        offset = found.end()
        if state.in_code and found.group() == "/":
            literal = _REGEX.match(whole, found.start())
            if not _VALUE_EXPECTED.search(whole, max(0, found.start() - BEHIND_CHARACTERS), found.start()):
                continue
            if literal:
                offset = literal.end()
                continue
        event = _code_event(found, grammar, state) if state.in_code else _inner_event(found, state)
        if event is not None:
            state = event.state
            yield event._replace(offset=event.offset - shift) if shift else event


def opened_by(delimiter: str, syntax: Syntax) -> State:
    """The state behind a delimiter that begins a string or comment in plain code."""
    return _grammar(syntax).openers[delimiter]


def opens_string(delimiter: str, syntax: Syntax) -> bool:
    """Whether what ends a string also begins one."""
    return delimiter in _grammar(syntax).openers


@dataclass(frozen=True, slots=True)
class _Grammar:
    """Patterns of everything that matters in code: ``line`` also of line breaks, where they matter."""

    code: re.Pattern[str]
    line: re.Pattern[str]
    openers: dict[str, State]
    hole_prefix: re.Pattern[str] | None

    def pattern(self, state: State) -> re.Pattern[str]:
        return self.line if state.back or state.pending else self.code


@lru_cache(maxsize=64)
def _grammar(syntax: Syntax) -> _Grammar:
    openers = _openers(syntax)
    alternatives = []
    if syntax.quoted_characters:
        alternatives.append(r"'(?:\\[^\n]{1,8}?|[^'\\\n])'")
    if syntax.heredoc:
        alternatives.append(syntax.heredoc)
    for opener in sorted(openers, key=len, reverse=True):
        spaced = r"(?<![^\s;(])" if syntax.spaced_comments and opener in syntax.line_comments else ""
        alternatives.append(spaced + re.escape(opener))
    if syntax.regexes:
        alternatives.append("/")
    if syntax.brackets:
        alternatives.append(r"[()\[\]{}]")
    code = "|".join(alternatives) or "(?!)"
    prefix = re.compile(rf"(?:{syntax.hole_prefix})\Z") if syntax.hole_prefix else None
    return _Grammar(re.compile(code), re.compile(rf"{code}|\n"), openers, prefix)


def _openers(syntax: Syntax) -> dict[str, State]:
    """The state behind everything that begins a string or comment; longest delimiters first win."""
    openers: dict[str, State] = {}
    for opener, closer in syntax.block_comments:
        openers[opener] = State("block comment", closer, multiline=True)
    for opener in syntax.line_comments:
        openers[opener] = State("line comment", "\n")
    holes = dict(syntax.holes)
    for delimiter in syntax.multiline:
        openers[delimiter] = State("string", delimiter, multiline=True, holes=holes.get(delimiter, ()))
    for delimiter in syntax.strings:
        openers[delimiter] = State("string", delimiter, holes=holes.get(delimiter, ()))
    for opener, closer in syntax.raw:
        openers[opener] = State("string", closer, multiline=True, raw=True)
    return openers


@lru_cache(maxsize=256)
def _inside(kind: str, until: str, raw: bool, heredoc: bool, holes: tuple[str, ...]) -> re.Pattern[str]:
    """What matters inside a string or comment: its end, escapes, holes and line breaks."""
    until = re.escape(until)
    if heredoc:
        return re.compile(rf"^[ \t]*(?P<word>{until})(?!\w)|\n", re.MULTILINE)
    if kind != "string":
        return re.compile(rf"{until}|\n")
    longest_first = sorted(holes, key=len, reverse=True)
    alternatives = [
        *(r"\{\{" for hole in holes if hole == "{"),
        *(f"(?P<hole{i}>{re.escape(hole)})" for i, hole in enumerate(longest_first)),
        *(() if raw else (r"\\.",)),
        until,
        r"\n",
    ]
    return re.compile("|".join(alternatives), re.DOTALL)


def _code_event(found: re.Match[str], grammar: _Grammar, state: State) -> Event | None:
    text, offset = found.group(), found.start()
    if text == "\n":
        return _newline_in_code(offset, state)
    if text in PAIRS:
        deeper = bool(state.back) and PAIRS[text] == state.until
        return Event(offset, "open", text, replace(state, depth=state.depth + 1) if deeper else state)
    if text in OPENER_OF:
        return Event(offset, "close", text, _behind_closer(text, state))
    if "word" in found.re.groupindex and (word := found.group("word")):
        return Event(offset, "heredoc", text, replace(state, pending=(*state.pending, word)))
    if text == "/":
        return Event(offset, "string", text, _within(State("string", "/"), state))
    inner = grammar.openers.get(text)
    if inner is None:
        return None  # a quoted character
    if inner.kind != "string":
        return Event(offset, "comment", text, _within(inner, state))
    if grammar.hole_prefix and grammar.hole_prefix.search(found.string, max(0, offset - 4), offset):
        inner = replace(inner, holes=("{",))
    return Event(offset, "string", text, _within(inner, state))


def _within(inner: State, outer: State) -> State:
    return replace(inner, back=outer) if outer != CODE else inner


def _behind_closer(text: str, state: State) -> State:
    if state.back is None or text != state.until:
        return state
    return replace(state, depth=state.depth - 1) if state.depth else state.back


def _newline_in_code(offset: int, state: State) -> Event | None:
    behind = _behind_line(state)
    if behind.in_code and behind.pending:
        word, *later = behind.pending
        inner = State("string", word, multiline=True, raw=True, heredoc=True)
        return Event(offset, "string", "\n", _within(inner, replace(behind, pending=tuple(later))))
    return Event(offset, "newline", "\n", behind) if behind != state else None


def _behind_line(state: State) -> State:
    """The state on the next line: what may not go on there is over, with all that lies inside it."""
    behind = state
    for around in state.chain():
        if not around.in_code and not around.multiline:
            behind = around.outside()
    return behind


def _inner_event(found: re.Match[str], state: State) -> Event | None:
    text, offset = found.group(), found.start()
    if text == "\n":
        behind = _behind_line(state)
        if behind.in_code and behind.pending:
            return _newline_in_code(offset, behind)
        return Event(offset, "newline", text, behind)
    if state.heredoc:
        return Event(found.start("word"), "string end", state.until, state.outside())
    if (found.lastgroup or "").startswith("hole"):
        hole = State("code", PAIRS[text[-1]], back=state)
        return Event(found.end() - 1, "open", text[-1], hole)
    if text != state.until:
        # An escaped line break keeps a string open on the next line; any other escape means nothing here.
        return Event(offset + 1, "newline", "\n", state) if text == "\\\n" else None
    kind: Literal["string end", "comment end"] = "string end" if state.kind == "string" else "comment end"
    return Event(offset, kind, text, state.outside())
