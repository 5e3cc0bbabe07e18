"""Columns of LSP to characters and back: the only place that knows what a column counts.

A client counts columns in *units* of the encoding agreed on at initialisation: bytes (utf-8), 16-bit code
units (utf-16, the default of the protocol) or code points (utf-32). Everything behind `documents` counts
characters, that is code points. ``😀`` is four, two and one.

A column past the line's end means its end, as the specification says. A column inside a character is no
place at all: the character's beginning is meant. The exception is a *change* in utf-16: a client whose buffer
is made of code units may cut an emoji in half, and to stay in step `split_at` cuts too, into lone surrogates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_CONTINUATION_BYTE = 0x80
_CONTINUATION_MASK = 0xC0


class Encoding(Enum):
    """What a column counts; the value is the protocol's name for it."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


def choose_encoding(offered: Sequence[object]) -> Encoding:
    """The client's favourite that we know; utf-16 where it offers none, as the protocol demands."""
    known = {encoding.value: encoding for encoding in Encoding}
    return next((known[name] for name in offered if isinstance(name, str) and name in known), Encoding.UTF16)


def characters_in(line: str, units: int, encoding: Encoding) -> int:
    """The number of characters of ``line`` in front of column ``units``."""
    if encoding is Encoding.UTF32 or line.isascii():
        return min(units, len(line))
    if encoding is Encoding.UTF8:
        return len(_split_utf8(line, units)[0])
    before, after = _split_utf16(line, units)
    return len(before) - (_is_high(before[-1:]) and _is_low(after[:1]))


def units_in(text: str, encoding: Encoding) -> int:
    """The number of units that ``text`` takes."""
    if encoding is Encoding.UTF32 or text.isascii():
        return len(text)
    if encoding is Encoding.UTF8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def split_at(line: str, units: int, encoding: Encoding) -> tuple[str, str]:
    """``line`` before and behind column ``units``, as the client's own buffer would be cut."""
    if encoding is Encoding.UTF32 or line.isascii():
        return line[:units], line[units:]
    return _split_utf8(line, units) if encoding is Encoding.UTF8 else _split_utf16(line, units)


def join_surrogates(text: str, encoding: Encoding) -> str:
    """``text`` with surrogates that an edit brought together made one character again.

    Only in utf-16 are the two halves one character to the client; elsewhere they stay what was sent.
    """
    if encoding is not Encoding.UTF16 or text.isascii() or not _SURROGATE_PAIR.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _split_utf8(line: str, units: int) -> tuple[str, str]:
    raw = line.encode("utf-8", "surrogatepass")
    while 0 < units < len(raw) and raw[units] & _CONTINUATION_MASK == _CONTINUATION_BYTE:
        units -= 1
    before = raw[:units].decode("utf-8", "surrogatepass")
    return before, line[len(before) :]


def _split_utf16(line: str, units: int) -> tuple[str, str]:
    raw = line.encode("utf-16-le", "surrogatepass")
    return raw[: 2 * units].decode("utf-16-le", "surrogatepass"), raw[2 * units :].decode(
        "utf-16-le", "surrogatepass"
    )


def _is_high(character: str) -> bool:
    return "\ud800" <= character <= "\udbff"


def _is_low(character: str) -> bool:
    return "\udc00" <= character <= "\udfff"
