"""A light lexer: brackets, strings and comments, and nothing else of a language.

It is never wrong about plain code and forgiving about the rest: a string that is not closed on its line ends
with the line, unless the language lets it go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from mellum_lsp.completion.syntax import Syntax

PAIRS = {"(": ")", "[": "]", "{": "}"}
OPENER_OF = {closer: opener for opener, closer in PAIRS.items()}


@dataclass(frozen=True, slots=True)
class State:
    """Where the lexer stands: in code, or in something that ``until`` ends (``\\n``: with the line)."""

    kind: Literal["code", "string", "line comment", "block comment"] = "code"
    until: str = ""
    multiline: bool = False

    @property
    def in_code(self) -> bool:
        return self.kind == "code"


CODE = State()


class Event(NamedTuple):
    """Something at ``offset`` of the scanned text; ``text`` is the bracket or delimiter itself.

    ``state`` is the lexer's state behind it. Line breaks are events only inside strings and comments.
    """

    offset: int
    kind: Literal["open", "close", "string", "string end", "comment", "comment end", "newline"]
    text: str
    state: State

    @property
    def end(self) -> int:
        return self.offset + len(self.text)


def scan(text: str, syntax: Syntax, state: State = CODE) -> Iterator[Event]:
    """The events of ``text``, which begins in ``state``. Linear in the text's length."""
    grammar = _grammar(syntax)
    offset = 0
    while True:
        pattern = grammar.code if state.in_code else _inside(state)
        found = pattern.search(text, offset)
        if found is None:
            return
        offset = found.end()
        event = _code_event(found, grammar) if state.in_code else _inner_event(found, state)
        if event is not None:
            state = event.state
            yield event


def state_after(text: str, syntax: Syntax, state: State = CODE) -> State:
    """The state behind ``text``."""
    for event in scan(text, syntax, state):
        state = event.state
    return state


@dataclass(frozen=True, slots=True)
class _Grammar:
    code: re.Pattern[str]
    openers: dict[str, State]


@lru_cache(maxsize=64)
def _grammar(syntax: Syntax) -> _Grammar:
    """The pattern of everything that matters in code, longest delimiters first."""
    openers: dict[str, State] = {}
    for opener, closer in syntax.block_comments:
        openers[opener] = State("block comment", closer, multiline=True)
    for opener in syntax.line_comments:
        openers[opener] = State("line comment", "\n")
    for delimiter in syntax.multiline:
        openers[delimiter] = State("string", delimiter, multiline=True)
    for delimiter in syntax.strings:
        openers[delimiter] = State("string", delimiter)
    alternatives = [re.escape(opener) for opener in sorted(openers, key=len, reverse=True)]
    if syntax.quoted_characters:
        alternatives.insert(0, r"'(?:\\[^\n]{1,8}?|[^'\\\n])'")
    if syntax.brackets:
        alternatives.append(r"[()\[\]{}]")
    return _Grammar(re.compile("|".join(alternatives) or "(?!)"), openers)


@lru_cache(maxsize=64)
def _inside(state: State) -> re.Pattern[str]:
    """What matters inside a string or comment: its end, escapes and line breaks."""
    if state.kind == "string":
        return re.compile(rf"\\.|{re.escape(state.until)}|\n", re.DOTALL)
    return re.compile(rf"{re.escape(state.until)}|\n")


def _code_event(found: re.Match[str], grammar: _Grammar) -> Event | None:
    text, offset = found.group(), found.start()
    if text in PAIRS:
        return Event(offset, "open", text, CODE)
    if text in OPENER_OF:
        return Event(offset, "close", text, CODE)
    state = grammar.openers.get(text)
    if state is None:
        return None  # a quoted character
    return Event(offset, "string" if state.kind == "string" else "comment", text, state)


def _inner_event(found: re.Match[str], state: State) -> Event | None:
    text, offset = found.group(), found.start()
    if text == "\n":
        return Event(offset, "newline", text, state if state.multiline else CODE)
    if text != state.until:
        # An escaped line break keeps a string open on the next line; any other escape means nothing here.
        return Event(offset + 1, "newline", "\n", state) if text == "\\\n" else None
    return Event(offset, "string end" if state.kind == "string" else "comment end", text, CODE)
