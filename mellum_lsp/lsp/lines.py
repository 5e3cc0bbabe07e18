"""The lines of a document that is edited at every keystroke and read as one text at every request.

LSP knows three line endings: ``\\n``, ``\\r\\n`` and ``\\r``. (`str.splitlines` knows eight more, among them
form feeds and U+2028, which Python sources do contain.) Lines are kept as the client sent them, with their
ending; `text` shows them with ``\\n`` only, and with U+FFFD for lone surrogates, so that everything behind it
may encode the text. Neither changes the number of characters of a line.

A change touches a block of at most `BLOCK_LINES` lines, and a read joins the blocks' cached texts: both stay
far below a millisecond for a document of a megabyte, where joining a plain list of lines takes one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

BLOCK_LINES = 256

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def split_lines(text: str) -> list[str]:
    """The lines of ``text`` with their endings; the last has none and may be empty."""
    if "\r" not in text:
        lines = text.split("\n")
        last = lines.pop()
        return [*(f"{line}\n" for line in lines), last]
    lines = _LINE.findall(text)
    if not lines or ending_of(lines[-1]):
        lines.append("")
    return lines


def ending_of(line: str) -> str:
    """The line ending at the end of ``line``, empty where it has none."""
    if line.endswith("\n"):
        return "\r\n" if line.endswith("\r\n") else "\n"
    return "\r" if line.endswith("\r") else ""


def content_of(line: str) -> str:
    """``line`` without its ending."""
    return line[: len(line) - len(ending_of(line))]


class _Block:
    """Some successive lines and, until they change, their shown text."""

    __slots__ = ("_shown", "lines")

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self._shown: str | None = None

    def replace(self, first: int, last: int, new: Sequence[str]) -> None:
        self.lines[first:last] = new
        self._shown = None

    @property
    def shown(self) -> str:
        if self._shown is None:
            self._shown = _show("".join(self.lines))
        return self._shown


class Lines:
    """A document's lines: never fewer than one, and exactly the last has no ending."""

    def __init__(self, text: str) -> None:
        self._blocks = _blocks(split_lines(text))
        self._count = sum(len(block.lines) for block in self._blocks)
        self._text: str | None = None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, line: int) -> str:
        """Line ``line`` (from 0) as the client sent it, with its ending."""
        block, within = self._locate(line)
        return self._blocks[block].lines[within]

    @property
    def text(self) -> str:
        """All lines as they are shown; the same object until the next change."""
        if self._text is None:
            self._text = "".join([block.shown for block in self._blocks])
        return self._text

    @property
    def raw(self) -> str:
        """All lines as the client sent them."""
        return "".join([line for block in self._blocks for line in block.lines])

    def offset(self, line: int) -> int:
        """The number of characters of `text` in front of line ``line``."""
        index, within = self._locate(line)
        before = sum(len(block.shown) for block in self._blocks[:index])
        return before + sum(_shown_length(text) for text in self._blocks[index].lines[:within])

    def replace(self, first: int, last: int, text: str) -> None:
        """Put ``text`` in place of the lines from ``first`` to ``last``, both included.

        ``text`` ends with a line ending exactly where line ``last`` did, or ``last`` is the last line. Where
        ``text`` begins with the ``\\n`` that completes a lone ``\\r`` above, the two become one line ending.
        """
        at_end = last == self._count - 1
        if first > 0 and text.startswith("\n") and ending_of(self[first - 1]) == "\r":
            first -= 1
            text = self[first] + text
        new = split_lines(text)
        if not at_end:
            new.pop()
        self._put(first, last + 1, new)

    def _put(self, first: int, end: int, new: list[str]) -> None:
        self._text = None
        self._count += len(new) - (end - first)
        block, start = self._locate_existing(first)
        last_block, last_within = self._locate_existing(end - 1)
        if block == last_block and len(new) <= BLOCK_LINES:
            self._blocks[block].replace(start, last_within + 1, new)
            lines = self._blocks[block].lines
            if 0 < len(lines) <= 2 * BLOCK_LINES:
                return
        else:
            head = self._blocks[block].lines[:start]
            lines = [*head, *new, *self._blocks[last_block].lines[last_within + 1 :]]
        self._blocks[block : last_block + 1] = _blocks(lines)

    def _locate(self, line: int) -> tuple[int, int]:
        if not 0 <= line < self._count:
            raise IndexError(f"line {line} of {self._count}")
        return self._locate_existing(line)

    def _locate_existing(self, line: int) -> tuple[int, int]:
        """Which block holds ``line``, and where in it."""
        for index, block in enumerate(self._blocks):
            if line < len(block.lines):
                return index, line
            line -= len(block.lines)
        raise IndexError("line past the end")


def _blocks(lines: list[str]) -> list[_Block]:
    return [_Block(lines[start : start + BLOCK_LINES]) for start in range(0, len(lines), BLOCK_LINES)]


def _show(raw: str) -> str:
    if "\r" in raw:
        raw = raw.replace("\r\n", "\n").replace("\r", "\n")
    return raw if raw.isascii() else _LONE_SURROGATE.sub("\ufffd", raw)


def _shown_length(line: str) -> int:
    return len(line) - line.endswith("\r\n")
