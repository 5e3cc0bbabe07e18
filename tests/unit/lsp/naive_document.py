"""The dullest possible model of a client's document, to compare `Document` with.

The buffer is a string with one character per *unit* of the encoding, cut into lines anew after every change.
"""

from __future__ import annotations

import re

from lsprotocol import types

from mellum_lsp.lsp.positions import Encoding

_ENDING = re.compile("\r\n|\r|\n")


class NaiveDocument:
    def __init__(self, text: str, encoding: Encoding) -> None:
        self.encoding = encoding
        self.units = self._to_units(text)
        self._lines = self._cut()

    @property
    def raw(self) -> str:
        return self._to_text(self.units)

    @property
    def text(self) -> str:
        return re.sub("[\ud800-\udfff]", "\ufffd", _ENDING.sub("\n", self.raw))

    def change(self, start: types.Position, end: types.Position, text: str) -> None:
        first, last = sorted((self._index(start), self._index(end)))
        self.units = self.units[:first] + self._to_units(text) + self.units[last:]
        self._lines = self._cut()

    def offset(self, position: types.Position) -> int:
        index = self._index(position)
        if self.encoding is Encoding.UTF16 and _is_low(self.units[index : index + 1]):
            index -= _is_high(self.units[max(index - 1, 0) : index])
        return len(_ENDING.sub("\n", self._to_text(self.units[:index])))

    def _index(self, position: types.Position) -> int:
        """The position's index in the buffer, moved to a character's start where bytes are counted."""
        if position.line >= len(self._lines):
            return len(self.units)
        start, end = self._lines[position.line]
        index = min(start + position.character, end)
        if self.encoding is Encoding.UTF8:
            while "\x80" <= self.units[index : index + 1] < "\xc0":
                index -= 1
        return index

    def _cut(self) -> list[tuple[int, int]]:
        """Where every line begins and ends, its ending left out."""
        endings = [match.span() for match in _ENDING.finditer(self.units)]
        starts = [0, *(end for _, end in endings)]
        return list(zip(starts, [*(start for start, _ in endings), len(self.units)], strict=True))

    def _to_units(self, text: str) -> str:
        if self.encoding is Encoding.UTF8:
            return text.encode("utf-8", "surrogatepass").decode("latin-1")
        if self.encoding is Encoding.UTF16:
            raw = text.encode("utf-16-le", "surrogatepass")
            return "".join(chr(raw[i] | raw[i + 1] << 8) for i in range(0, len(raw), 2))
        return text

    def _to_text(self, units: str) -> str:
        if self.encoding is Encoding.UTF8:
            return units.encode("latin-1").decode("utf-8", "surrogatepass")
        if self.encoding is Encoding.UTF16:
            return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return units


def _is_high(unit: str) -> bool:
    return "\ud800" <= unit <= "\udbff"


def _is_low(unit: str) -> bool:
    return "\udc00" <= unit <= "\udfff"
