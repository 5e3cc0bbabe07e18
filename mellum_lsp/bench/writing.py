"""Places of a file written by hand, key by key, in an editor that closes brackets and indents by itself.

Pure: a document and the caret in it, what a key does to them, and whether a ghost is right. The editor's
habits are those of VS Code's defaults: an opening bracket or quote brings its closer, which typing the closer
passes over; a new line begins with the indentation of the last one, or one level more; a line that is left
blank loses its indentation. What the editor inserts by itself costs no key.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from itertools import takewhile

from mellum_lsp.bench.document import Document, Edit, Ghost

_CLOSER_OF = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}
_QUOTES = "\"'`"
_CLOSES_IN_FRONT_OF = " \t\n;:.,=)]}>"
_INDENTATION = re.compile(r"[ \t]*")
_OPENS_A_BLOCK = (":", "{", "(", "[")


@dataclass(frozen=True, slots=True)
class _Closer:
    """What the editor put behind the caret by itself, and where in the place's text it belongs."""

    text: str
    at: int


class Writing:
    """One place of a document on its way to holding ``target``, which begins at ``caret``.

    ``written`` characters of it are there. ``target`` ends with a line that is not blank.
    """

    def __init__(self, document: Document, target: str, caret: int, unit: str) -> None:
        self.document = document
        self.target = target
        self.caret = caret
        self.written = 0
        self._unit = unit
        self._closers: list[_Closer] = []
        self._surplus = ""
        """Indentation in front of the caret that the editor inserted and the line must not have."""
        self._wrong = 0
        """Characters in front of the caret that were mistyped."""

    @property
    def is_done(self) -> bool:
        return self.written == len(self.target) and not self._wrong

    @property
    def at_line_start(self) -> bool:
        """Whether the next key begins the text of a line."""
        return self.target[: self.written].rpartition("\n")[2].strip() == "" and self.written > 0

    @property
    def next_character(self) -> str:
        """What the place holds next; empty at its end."""
        return self.target[self.written : self.written + 1]

    @property
    def is_on_its_way(self) -> bool:
        """Whether all that was typed is right, so that a character typed next can be a slip."""
        return not self._wrong and not self._surplus and not self._passes_closer

    # ---- keys

    def press(self) -> Edit | None:
        """The next key on the way to the target; None where it only moves the caret."""
        if self._wrong:
            self._wrong -= 1
            return self._change(-1, "")
        if self._surplus and (self.next_character != "\n" or self._passes_closer):
            return self._outdent()
        if self._passes_closer:
            return self._pass_closer()
        character = self.next_character
        if character == "\n":
            return self._enter()
        if self._in_indentation and self.target.startswith(self._unit, self.written):
            return self._type(self._unit)
        closer_at = self._closer_for(character)
        if closer_at is not None:
            closer = _CLOSER_OF[character]
            self._closers.insert(0, _Closer(closer, closer_at))
            self.written += 1
            return self._change(0, character + closer, back=1)
        return self._type(character)

    def slip(self, character: str) -> Edit:
        """A wrong key; the next ones take it back."""
        self._wrong += 1
        return self._change(0, character)

    def take(self, ghost: Ghost) -> Edit:
        """Accept a ghost that is right."""
        end = self.written + len(ghost.text)
        self._closers = [closer for closer in self._closers if closer.at >= end]
        self.written = end
        return self._replace(self.caret, ghost.replaces, ghost.text)

    # ---- judging ghosts

    def is_right(self, ghost: Ghost) -> bool:
        """Whether every character of the ghost stands at the caret in the true file.

        Of the closers behind the caret it must replace exactly those that it holds itself.
        """
        if not ghost.text or not self.is_settled or not self.target.startswith(ghost.text, self.written):
            return False
        end = self.written + len(ghost.text)
        held = sum(len(closer.text) for closer in self._closers if closer.at < end)
        return held == ghost.replaces

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to be taken back in front of the caret."""
        return not self._wrong and not self._surplus

    @property
    def keys_left(self) -> int:
        """The keys that the rest of the target takes by hand."""
        return self.keys_for(len(self.target) - self.written)

    def keys_for(self, characters: int) -> int:
        """The keys that the next characters of the target take by hand."""
        trial = copy.copy(self)
        trial._closers = list(self._closers)
        trial.document = Document(self.document.path, self.document.language, self.document.text)
        trial.document.places = [trial]
        end, keys = self.written + characters, 0
        while trial.written < end:
            trial.press()
            keys += 1
        return keys

    # ---- what keys do

    @property
    def _passes_closer(self) -> bool:
        return bool(self._closers) and self._closers[0].at == self.written

    @property
    def _in_indentation(self) -> bool:
        line = self.document.text.rfind("\n", 0, self.caret) + 1
        return not self.document.text[line : self.caret].strip()

    def _type(self, text: str) -> Edit:
        self.written += len(text)
        return self._change(0, text)

    def _outdent(self) -> Edit:
        """Backspace in indentation takes a level."""
        taken = len(self._unit) if self._surplus.endswith(self._unit) else 1
        self._surplus = self._surplus[:-taken]
        return self._change(-taken, "")

    def _pass_closer(self) -> Edit | None:
        closer = self._closers.pop(0)
        self.written += len(closer.text)
        if len(closer.text) > 1:
            self.caret += len(closer.text)
            return None
        return self._replace(self.caret, 1, closer.text)

    def _enter(self) -> Edit:
        text = self.document.text
        line = text.rfind("\n", 0, self.caret) + 1
        before = text[line : self.caret]
        indentation = _indentation_of(before)
        opened = before.rstrip()[-1:]
        surplus, self._surplus = self._surplus, ""
        if surplus and not before.strip():
            self.written += 1
            return self._new_line(indentation, trimmed=len(surplus))
        behind = self._closers[0] if self._closers else None
        if behind and _CLOSER_OF.get(opened) == behind.text and opened not in _QUOTES:
            own_line = f"\n{indentation}"
            at = behind.at - len(own_line)
            if at <= self.written or not self.target.startswith(own_line, at):
                self._closers.pop(
                    0
                )  # it does not get a line of its own: taken away, and typed where it belongs
                return self._change(0, "", ahead=1)
            self._closers[0] = _Closer(f"{own_line}{behind.text}", at)
            self.written += 1
            return self._new_line(indentation + self._unit, behind=own_line)
        self.written += 1
        return self._new_line(indentation + (self._unit if opened in _OPENS_A_BLOCK else ""))

    def _new_line(self, indentation: str, *, trimmed: int = 0, behind: str = "") -> Edit:
        """A line break with indentation, and what of that the line really has."""
        wanted = _indentation_of(self.target[self.written :])
        agreed = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(indentation, wanted, strict=False))
        )
        self._surplus = indentation[agreed:]
        self.written += agreed
        return self._change(-trimmed, f"\n{indentation}{behind}", back=len(behind))

    def _closer_for(self, character: str) -> int | None:
        """Where the closer belongs that the editor adds to ``character``; None where it adds none."""
        if character not in _CLOSER_OF:
            return None
        if character in _QUOTES and self.document.text[self.caret - 1 : self.caret].isalnum():
            return None
        behind = self.document.text[self.caret : self.caret + 1]
        if behind and behind not in _CLOSES_IN_FRONT_OF:
            return None
        at = closer_at(self.target, self.written)
        if at is not None and self._closers and at >= self._closers[0].at:
            return None
        return at

    def _change(self, from_caret: int, text: str, *, back: int = 0, ahead: int = 0) -> Edit:
        start = self.caret + min(0, from_caret)
        return self._replace(start, self.caret + ahead - start, text, back)

    def _replace(self, start: int, length: int, text: str, back: int = 0) -> Edit:
        """Replace ``length`` characters; the caret is ``back`` characters in front of the new text's end."""
        replaced = self.document.text[start : start + length]
        edit = Edit(start, replaced, text, start + len(text) - back)
        self.document.apply(edit, self)
        return edit


def closer_at(text: str, opener: int) -> int | None:
    """Where the bracket or quote at ``opener`` is closed; None where an editor would not close it.

    Brackets in strings count, as long as they come in pairs.
    """
    character = text[opener]
    closer = _CLOSER_OF[character]
    if character in _QUOTES:
        if character * 3 in text[max(0, opener - 2) : opener + 3]:
            return None
        end = text.find("\n", opener)
        at = text.find(character, opener + 1, end if end >= 0 else len(text))
        return at if at > opener and text[at - 1] != "\\" else None
    depth = 0
    for at in range(opener, len(text)):
        depth += (text[at] == character) - (text[at] == closer)
        if not depth:
            return at
    return None


def indentation_unit(text: str) -> str:
    """What one level of indentation is in a file: a tab, or the usual number of spaces."""
    leads = [_indentation_of(line) for line in text.split("\n") if line.strip()]
    if sum(lead.startswith("\t") for lead in leads) > sum(lead.startswith(" ") for lead in leads):
        return "\t"
    widths = [len(lead) for lead in leads if lead and lead.isspace()]
    return "    " if sum(width % 4 == 0 for width in widths) * 10 >= 9 * len(widths) else "  "


def _indentation_of(line: str) -> str:
    match = _INDENTATION.match(line)
    return match.group() if match else ""
