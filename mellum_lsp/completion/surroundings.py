"""What stands around a caret, as far as stop policy, gate and rules must know it.

The central question is which closers the text behind the caret already provides: a draft may close only what
nobody else closes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from mellum_lsp.completion.enclosures import Behind, Enclosure, ends_below, open_at_end, provided_by, state_at
from mellum_lsp.completion.lexing import CODE, State
from mellum_lsp.completion.syntax import Syntax, syntax_of
from mellum_lsp.domain import Caret
from mellum_lsp.prompt.windows import closers_at

BEFORE_CHARACTERS = 3000
AFTER_CHARACTERS = 2000
LINES_BELOW = 3
WINDOW_CHARACTERS = 20


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
        """More than closers and what ends a statement stands behind the caret on its line."""
        return bool(self.tail.strip(" \t;,"))

    @property
    def on_blank_line(self) -> bool:
        return not self.line_before.strip()


@lru_cache(maxsize=4)
def look(caret: Caret) -> Surroundings:
    """The surroundings of ``caret``. Costs about the same in a document of any length.

    Every rule of a request looks from the same caret, so the last few answers are kept.
    """
    text, offset = caret.text, caret.offset
    syntax = syntax_of(caret.language)
    start = _start(text, offset)
    before = text[start:offset]
    inside = open_at_end(before, syntax, state_at(text, start, syntax))
    # Where nothing ends the string that was just begun, what follows is code and not its content.
    unended = any(
        around.multiline and not ends_below(text, offset, around, syntax)
        for around in inside.state.chain()
        if not around.in_code
    )
    after = text[offset : offset + AFTER_CHARACTERS]
    closers = closers_at(text, offset)
    truncated = offset + AFTER_CHARACTERS < len(text)
    behind = Behind(after, CODE if unended else inside.state, len(closers), truncated)
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
        enclosures=provided_by(behind, inside, syntax, before),
        closers=closers,
        line_before=line_before,
        tail=line_after[len(closers) :],
        line_above=above[-1] if above else "",
        lines_below=tuple(below[:LINES_BELOW]),
        window=_window(line_after[len(closers) :], below),
    )


def _start(text: str, offset: int) -> int:
    """Where to begin reading: at a line, unless that is longer than anything that somebody wrote by hand."""
    near = max(0, offset - BEFORE_CHARACTERS)
    start = text.rfind("\n", 0, near) + 1
    if near - start <= BEFORE_CHARACTERS:
        return start
    next_line = text.find("\n", near, offset) + 1
    return next_line or near


def _window(tail: str, below: list[str]) -> str:
    """At least 20 characters of what follows: of the caret's line, else the whole next line.

    A shorter piece of the next line would do harm: neighbouring lines often begin alike.
    """
    next_line = below[0].strip() if below else ""
    text = tail.strip()[:WINDOW_CHARACTERS] or next_line
    return text if len(text) >= WINDOW_CHARACTERS and len(re.findall(r"\w", text)) >= 8 else ""
