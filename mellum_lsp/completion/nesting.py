"""Follows a draft through brackets and strings: what it opens, and what it closes that is not its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mellum_lsp.completion.enclosures import Enclosure
from mellum_lsp.completion.lexing import BEHIND_CHARACTERS, PAIRS, Event, State, scan
from mellum_lsp.completion.surroundings import Surroundings

Role = Literal["opens", "closes", "closes around", "surplus", "other"]


@dataclass(frozen=True, slots=True)
class Turn:
    """An event of the draft and its role; ``enclosure`` is what was open at the caret and is closed by it."""

    event: Event
    role: Role
    enclosure: Enclosure | None = None


class Nesting:
    """The nesting behind the part of a draft that was read so far."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._before = around.line_before[-BEHIND_CHARACTERS:]
        self.state: State = around.state
        self._opened: tuple[tuple[str, int], ...] = ()
        """The draft's own open brackets: what closes each, and in how many strings it stands."""
        self._left = len(around.enclosures)
        self._strings_left = around.state.strings
        """How many of the strings and comments around the caret the draft has not left."""

    def copy(self) -> Nesting:
        twin = Nesting(self._around)
        twin._before, twin.state, twin._opened = self._before, self.state, self._opened
        twin._left, twin._strings_left = self._left, self._strings_left
        return twin

    @property
    def opened(self) -> tuple[str, ...]:
        """The closers that the draft's own open brackets wait for, innermost last."""
        return tuple(closer for closer, _ in self._opened)

    @property
    def innermost(self) -> Enclosure | None:
        """The innermost enclosure around the caret that the draft has not closed."""
        return self._around.enclosures[self._left - 1] if self._left else None

    def closing(self) -> str:
        """What would close all that the draft opened, and what is missing on the caret's own line."""
        own = [s for s in self.state.chain() if not s.in_code][: self.state.strings - self._strings_left]
        strings = self.state.strings
        text = ""
        for string in own:
            text += "".join(closer for closer, depth in reversed(self._opened) if depth == strings)
            text += f"\n{string.until}\n" if string.heredoc else string.until
            strings -= 1
        text += "".join(closer for closer, depth in reversed(self._opened) if depth == strings)
        for enclosure in reversed(self._around.enclosures[: self._left]):
            if not enclosure.on_caret_line or enclosure.provided != "no":
                break
            text += enclosure.closer
        return text

    @property
    def in_own_string(self) -> bool:
        """Inside a string or comment that the draft itself began."""
        return not self.state.in_code and self.state.strings > self._strings_left

    @property
    def balanced(self) -> bool:
        """The draft has closed every bracket and string that it opened."""
        return not self._opened and (self.state.kind in ("code", "line comment") or not self.in_own_string)

    def read(self, text: str) -> Iterator[Turn]:
        """Read on; every turn comes with the nesting already behind it."""
        before, self._before = self._before, (self._before + text)[-BEHIND_CHARACTERS:]
        for event in scan(text, self._around.syntax, self.state, before):
            strings = self.state.strings
            self.state = event.state
            yield self._turn(event, strings)

    def read_all(self, text: str) -> Nesting:
        """Read ``text`` for the nesting behind it."""
        for _ in self.read(text):
            pass
        return self

    def _turn(self, event: Event, strings: int) -> Turn:
        """``strings``: how many there were around the place before the event."""
        if event.kind == "open":
            self._opened = (*self._opened, (PAIRS[event.text], strings))
            return Turn(event, "opens")
        if event.kind in ("string", "comment"):
            return Turn(event, "opens")
        if event.kind == "newline":
            self._leave_line(event.state.strings)
            return Turn(event, "other")
        if event.kind == "close":
            return self._close(event)
        if event.kind == "heredoc":
            return Turn(event, "other")
        if strings > self._strings_left:
            return Turn(event, "closes")
        self._strings_left = strings - 1
        return self._close_around(event)

    def _close(self, event: Event) -> Turn:
        if self._opened:
            if self._opened[-1][0] != event.text:
                return Turn(event, "surplus")
            self._opened = self._opened[:-1]
            return Turn(event, "closes")
        enclosure = self.innermost
        if event.text in self._around.syntax.lone_closers and (
            enclosure is None or enclosure.closer != event.text
        ):
            return Turn(event, "other")
        return self._close_around(event)

    def _close_around(self, event: Event) -> Turn:
        enclosure = self.innermost
        if enclosure is None or enclosure.closer != event.text:
            return Turn(event, "surplus")
        self._left -= 1
        return Turn(event, "closes around", enclosure)

    def _leave_line(self, strings: int) -> None:
        """Strings that end with their line, unclosed, are over, and so are the brackets in them."""
        self._opened = tuple(opened for opened in self._opened if opened[1] <= strings)
        while self._strings_left > strings:
            self._strings_left -= 1
            while self._left and self._around.enclosures[self._left - 1].strings > self._strings_left:
                self._left -= 1
