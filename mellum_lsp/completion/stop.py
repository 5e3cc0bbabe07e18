"""Where a draft ends: after one statement or the block it opens, whatever the model would still say.

The policy is fed the text so far, token by token, and answers as soon as it knows; what it keeps never
depends on how far the model ran on. It is pure: the same text and caret always give the same end, in however
many pieces the text came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mellum_lsp.completion.fitting import is_unfinished
from mellum_lsp.completion.lexing import CODE, Event
from mellum_lsp.completion.lines import width
from mellum_lsp.completion.nesting import Nesting, Turn
from mellum_lsp.completion.repeats import repeated_lines, repeated_unit
from mellum_lsp.completion.statements import Line, code_of, continues, is_complete, is_preface, opens_block
from mellum_lsp.completion.surroundings import Surroundings, look
from mellum_lsp.domain import Caret

DEFAULT_MAX_LINES = 12
MAX_LEADING_BLANK_LINES = 2

Why = Literal[
    "end",  # the model itself said so
    "statement",
    "blank line",
    "dedent",
    "closer",  # one that the draft did not open and the document provides
    "next line",  # the draft reproduces what follows the caret
    "repetition",
    "lines",  # as many as are allowed
    "line end",  # the caret stands in a line that goes on behind it
]


@dataclass(frozen=True, slots=True)
class Stop:
    """Keep the first ``length`` characters of the draft."""

    length: int
    why: Why


@dataclass(frozen=True, slots=True)
class _Found:
    """A stop within a line, and how much of the line shows it."""

    seen_at: int
    stop: Stop | None


_NOTHING = _Found(0, None)
_FIRST_WORD = re.compile(r"\s*(?:\w+\W|[^\w\s].)")
"""A line's first word is over, or two characters of its punctuation are there: enough to know its kind."""


class StopPolicy:
    """Feed it the growing text of a generation: ``feed`` until it answers, ``finish`` at the model's end."""

    def __init__(self, caret: Caret, max_lines: int = DEFAULT_MAX_LINES) -> None:
        self._caret = caret
        self._around: Surroundings = look(caret)
        self._max_lines = max_lines
        self._stop: Stop | None = None
        # All below describes the draft before the line that is still growing.
        self._nesting = Nesting(self._around)
        self._enclosure_at_caret = self._nesting.innermost
        self._text = ""
        self._line_start = 0
        self._lines: list[str] = []
        self._ends: list[int] = []
        """Where each of ``_lines`` ends, without trailing whitespace."""
        self._leading_blank_lines = 0
        self._unfinished = (-1, False)
        """How far the grammar was asked whether there must be more, and what it said."""
        self._searched = 0
        """How far the growing line was searched for units that repeat."""
        self._base: int | None = None
        """The column at which the statement in hand began."""
        self._in_block = False
        self._after_preface = False
        self._begin_at_caret_line()

    def feed(self, text: str) -> Stop | None:
        """The end, once it is known. ``text`` is everything generated so far and only ever grows."""
        return self._advance(text, ended=False)

    def finish(self, text: str) -> Stop:
        """The end of a generation that came to its own end as ``text``."""
        return self._advance(text, ended=True) or Stop(len(text), "end")

    def _begin_at_caret_line(self) -> None:
        around = self._around
        if around.on_blank_line:
            return
        line = self._code(around.line_before, first=True)
        opens = opens_block(line, around.syntax)
        if around.syntax.word_blocks and not opens:
            opens = is_unfinished("", self._caret)
        if opens or self._in_expression(line.indentation):
            self._base, self._in_block = line.indentation, True

    def _advance(self, text: str, ended: bool) -> Stop | None:
        self._text = text
        while self._stop is None:
            newline = text.find("\n", self._line_start)
            line_end = newline if newline >= 0 else len(text)
            whole = newline >= 0 or ended
            if self._line_start >= len(text) and not whole:
                break
            self._stop = self._judge(text[self._line_start : line_end], whole)
            if newline < 0:
                break
            self._line_start = newline + 1
        return self._stop

    def _judge(self, line: str, whole: bool) -> Stop | None:
        """Look at the line that begins at ``_line_start``; ``whole`` when nothing more will come to it."""
        first = self._line_start == 0
        full = self._around.line_before + line if first else line
        if not line.strip():
            return self._take_blank(first) if whole else None
        if not first:
            if not (whole or _FIRST_WORD.match(line)):
                return None
            stop = self._before_line(full)
            if stop:
                return stop
        stop = self._inside_line(line, whole)
        return stop or (self._take(line, full) if whole else None)

    def _take_blank(self, first: bool) -> Stop | None:
        if first:
            return Stop(0, "line end") if self._around.mid_line else None
        if not self._lines:
            self._leading_blank_lines += 1
            return Stop(0, "blank line") if self._leading_blank_lines > MAX_LEADING_BLANK_LINES else None
        self._lines.append("")
        self._ends.append(self._content_end)
        if self._nesting.opened or self._nesting.in_own_string:
            return None
        if self._around.syntax.word_blocks and self._is_unfinished():
            return None
        return Stop(self._content_end, "blank line")

    def _before_line(self, line: str) -> Stop | None:
        """Whether the draft is over before this line, as far as its first character tells."""
        if self._nesting.opened or not self._nesting.state.in_code:
            return None
        if self._begins_by_closing(line):
            return None
        indentation = width(line)
        if indentation < width(self._around.line_before):
            return Stop(self._content_end, "dedent")
        if not self._lines or self._after_preface or self._in_expression(indentation):
            return None
        base = self._base if self._base is not None else indentation
        if continues(line, indentation, base, self._in_block, self._around.syntax) or self._is_unfinished():
            return None
        return Stop(self._content_end, "statement")

    def _is_unfinished(self) -> bool:
        """Whether the language's grammar wants more behind the lines so far, however they are indented."""
        if self._nesting.innermost is not self._enclosure_at_caret:
            return False
        end, unfinished = self._unfinished
        if end != self._content_end:
            unfinished = is_unfinished(self._text[: self._content_end], self._caret)
            self._unfinished = self._content_end, unfinished
        return unfinished

    def _inside_line(self, line: str, whole: bool) -> Stop | None:
        """What ends the draft within a line; of several things the one that is seen first.

        A line that grows is read again from its start.
        """
        found = [self._surplus_closer(line, whole), self._window(line), self._repeated_unit(line)]
        return min((f for f in found if f), key=lambda f: f.seen_at, default=_NOTHING).stop

    def _window(self, line: str) -> _Found | None:
        window = self._around.window
        at = line.find(window) if window else -1
        if at < 0:
            return None
        end = self._line_start + len(line[:at].rstrip()) if line[:at].strip() else self._content_end
        return _Found(at + len(window), Stop(end, "next line"))

    def _repeated_unit(self, line: str) -> _Found | None:
        for length in range(self._searched + 1, len(line) + 1):
            copy = repeated_unit(line[:length])
            if copy is not None:
                return _Found(length, Stop(self._line_start + len(line[:copy].rstrip()), "repetition"))
        self._searched = len(line)
        return None

    def _surplus_closer(self, line: str, whole: bool) -> _Found | None:
        nesting = self._nesting.copy()
        # Until two more characters have come, a bracket after a quote may be a character literal.
        needed = 2 if self._around.syntax.quoted_characters else 0
        for turn in nesting.read(line + "\n" if whole else line):
            seen_at = turn.event.end + needed
            if seen_at > len(line) and not whole:
                return None
            if turn.role == "surplus" or (turn.role == "closes around" and not self._may_close(turn)):
                return _Found(seen_at, self._stop_before(turn.event, line))
        if whole:
            self._nesting = nesting
        return None

    def _may_close(self, turn: Turn) -> bool:
        """Only what is missing, or what an editor closed by itself at the line's end (a rule joins them)."""
        provided = turn.enclosure.provided if turn.enclosure else "later"
        return provided == "no" or (provided == "here" and not self._around.mid_line)

    def _stop_before(self, event: Event, line: str) -> Stop:
        before = line[: event.offset]
        if not before.strip() and self._line_start > 0:
            return Stop(self._content_end, "closer")
        in_string = event.kind == "string end"
        return Stop(self._line_start + len(before if in_string else before.rstrip()), "closer")

    def _begins_by_closing(self, line: str) -> bool:
        """Whether the line begins with a closer that the document lacks, which may stand further out."""
        turn = next(self._nesting.copy().read(line.lstrip()[:1]), None)
        return turn is not None and turn.role == "closes around" and self._may_close(turn)

    def _in_expression(self, indentation: int) -> bool:
        """Whether brackets around the caret are open in which a line's end is no statement's end.

        A line that stands no deeper than the one that opened the bracket shows that it was forgotten there.
        """
        enclosure = self._nesting.innermost
        if enclosure is None or enclosure.closer not in (")", "]", "}"):
            return False
        if enclosure.closer == "}" and not self._around.syntax.colon_blocks:
            return False
        if enclosure.on_caret_line:
            return True
        # Where words close blocks, one may lie in between without a bracket of its own.
        return not self._around.syntax.word_blocks and indentation > enclosure.indentation

    def _take(self, line: str, full: str) -> Stop | None:
        """Enter a whole line with content into the record; perhaps the draft is over behind it."""
        around = self._around
        first = self._line_start == 0
        self._searched = 0
        if self._is_next_line(full) and not self._nesting.opened:
            return Stop(self._content_end, "next line")
        self._lines.append(full.strip())
        self._ends.append(self._line_start + len(line.rstrip()))
        repeats = repeated_lines(self._lines)
        if repeats:
            return Stop(self._ends[-1 - repeats], "repetition")
        if first and (around.mid_line or around.state.kind == "line comment"):
            return Stop(len(line), "line end")
        if len(self._lines) >= self._max_lines:
            return Stop(self._content_end, "lines")
        code = self._code(full, first)
        self._base = code.indentation if self._base is None else self._base
        nesting = self._nesting
        if not nesting.state.in_code or nesting.opened or self._in_expression(code.indentation):
            return None
        self._after_preface = is_preface(code, around.syntax)
        if is_complete(code, self._base, self._in_block, around.syntax):
            return Stop(self._content_end, "statement")
        deeper = code.indentation > self._base
        self._in_block = self._in_block or deeper or opens_block(code, around.syntax)
        return None

    def _is_next_line(self, line: str) -> bool:
        """Whether a line is the file's next one; brackets alone are not."""
        below = self._around.lines_below[0] if self._around.lines_below else ""
        return line.split() == below.split() and width(line) == width(below) and bool(re.search(r"\w", line))

    @property
    def _content_end(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _code(self, line: str, first: bool) -> Line:
        state = self._around.line_state if first else CODE
        return Line(code_of(line, self._around.syntax, state), width(line))
