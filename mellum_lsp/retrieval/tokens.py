"""Texts as sets of 32-bit numbers: lexical tokens (identifiers and their subwords) and normalised lines.

The numbers are CRC-32 sums, so they are the same in every process and every run, and no token is kept as a
Python object. Two tokens that share a number count as one: among 200,000 tokens that befalls about five.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from zlib import crc32

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_ASCII_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # nearly twice as fast, and the same in such texts
_SUBWORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_CACHE_LIMIT = 200_000
_MIN_SUBWORD = 3
_MIN_LINE_CHARACTERS = 4


class _NumbersOf(dict[str, tuple[int, ...]]):
    """The numbers of identifiers, remembered."""

    def __missing__(self, identifier: str) -> tuple[int, ...]:
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        numbers = self[identifier] = _numbers(identifier)
        return numbers


_numbers_of = _NumbersOf()


def identifiers(text: str) -> set[str]:
    """The distinct identifiers and keywords of a text."""
    return set((_ASCII_IDENTIFIER if text.isascii() else _IDENTIFIER).findall(text))


def word_id(word: str) -> int:
    """The number of one identifier."""
    return crc32(word.encode("utf-8", "replace"))


def token_numbers(text: str) -> Iterator[int]:
    """The numbers of a text's identifiers and of the words that they are made of, some perhaps twice."""
    return chain.from_iterable(map(_numbers_of.__getitem__, identifiers(text)))


def line_numbers(lines: Iterable[str]) -> Iterator[int]:
    """The numbers of the lines, spaces aside; lines without substance are left out."""
    for line in lines:
        bare = "".join(line.split())
        if len(bare) >= _MIN_LINE_CHARACTERS:
            yield crc32(bare.encode("utf-8", "replace"))


def token_ids(text: str) -> Ids:
    """The sorted distinct `token_numbers` of a text."""
    return sorted_ids(token_numbers(text))


def line_ids(lines: Iterable[str]) -> Ids:
    """The sorted distinct `line_numbers` of lines."""
    return sorted_ids(line_numbers(lines))


def sorted_ids(numbers: Iterable[int]) -> Ids:
    """A sorted array of distinct numbers."""
    distinct = set(numbers)
    array = np.fromiter(distinct, np.uint32, len(distinct))
    array.sort()
    return array


def _numbers(identifier: str) -> tuple[int, ...]:
    """An identifier counts as itself and, where it has several, as each of its words in lower case."""
    words = {word.lower() for word in _SUBWORD.findall(identifier) if len(word) >= _MIN_SUBWORD}
    words.discard(identifier)
    return (word_id(identifier), *(word_id(word) for word in sorted(words)))
