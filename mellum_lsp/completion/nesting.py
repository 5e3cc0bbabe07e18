"""Follows a draft through brackets and strings: what it opens, and what it closes that is not its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mellum_lsp.completion.lexing import PAIRS, Event, State, scan
from mellum_lsp.completion.surroundings import Enclosure, Surroundings

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
        self.state: State = around.state
        self.opened: tuple[str, ...] = ()
        """The closers that the draft's own open brackets wait for."""
        self._left = len(around.enclosures)
        self._in_caret_string = not around.state.in_code

    def copy(self) -> Nesting:
        twin = Nesting(self._around)
        twin.state, twin.opened = self.state, self.opened
        twin._left, twin._in_caret_string = self._left, self._in_caret_string
        return twin

    @property
    def innermost(self) -> Enclosure | None:
        """The innermost enclosure around the caret that the draft has not closed."""
        return self._around.enclosures[self._left - 1] if self._left else None

    @property
    def in_own_string(self) -> bool:
        """Inside a string or comment that the draft itself began."""
        return not self.state.in_code and not self._in_caret_string

    @property
    def balanced(self) -> bool:
        """The draft has closed every bracket and string that it opened."""
        return not self.opened and (self.state.kind in ("code", "line comment") or self._in_caret_string)

    def read(self, text: str) -> Iterator[Turn]:
        """Read on; every turn comes with the nesting already behind it."""
        for event in scan(text, self._around.syntax, self.state):
            self.state = event.state
            yield self._turn(event)

    def _turn(self, event: Event) -> Turn:
        if event.kind == "open":
            self.opened = (*self.opened, PAIRS[event.text])
            return Turn(event, "opens")
        if event.kind in ("string", "comment"):
            return Turn(event, "opens")
        if event.kind == "newline":
            if self._in_caret_string and event.state.in_code:
                self._in_caret_string = False
                self._left -= self._around.state.kind == "string"  # it ended with its line, unclosed
            return Turn(event, "other")
        if event.kind == "close" and self.opened:
            if self.opened[-1] != event.text:
                return Turn(event, "surplus")
            self.opened = self.opened[:-1]
            return Turn(event, "closes")
        if event.kind != "close" and not self._in_caret_string:
            return Turn(event, "closes")
        self._in_caret_string = False
        enclosure = self.innermost
        if enclosure is None or enclosure.closer != event.text:
            return Turn(event, "surplus")
        self._left -= 1
        return Turn(event, "closes around", enclosure)
