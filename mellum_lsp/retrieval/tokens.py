"""Texts as sets of 32-bit numbers: lexical tokens (identifiers and their subwords) and normalised lines.

The numbers are CRC-32 sums, so they are the same in every process and every run, and no token is kept as a
Python object. Two tokens that share a number count as one: among 200,000 tokens that befalls about five.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from zlib import crc32

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_SUBWORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_SPACES = re.compile(r"\s+")
_CACHE_LIMIT = 200_000
_MIN_SUBWORD = 3
_MIN_LINE_CHARACTERS = 4

_numbers_of: dict[str, tuple[int, ...]] = {}


def identifiers(text: str) -> set[str]:
    """The distinct identifiers and keywords of a text."""
    return set(_IDENTIFIER.findall(text))


def word_id(word: str) -> int:
    """The number of one identifier."""
    return crc32(word.encode("utf-8", "replace"))


def token_ids(text: str) -> Ids:
    """The sorted distinct numbers of a text's identifiers and of the words that they are made of."""
    found: set[int] = set()
    for identifier in identifiers(text):
        numbers = _numbers_of.get(identifier)
        if numbers is None:
            numbers = _numbers(identifier)
            if len(_numbers_of) >= _CACHE_LIMIT:
                _numbers_of.clear()
            _numbers_of[identifier] = numbers
        found.update(numbers)
    return sorted_ids(found)


def line_ids(lines: Iterable[str]) -> Ids:
    """The sorted distinct numbers of the lines, spaces aside; lines without substance are left out."""
    found: set[int] = set()
    for line in lines:
        bare = _SPACES.sub("", line)
        if len(bare) >= _MIN_LINE_CHARACTERS:
            found.add(crc32(bare.encode("utf-8", "replace")))
    return sorted_ids(found)


def sorted_ids(numbers: Iterable[int]) -> Ids:
    """A sorted array of distinct numbers."""
    return np.array(sorted(set(numbers)), dtype=np.uint32)


def _numbers(identifier: str) -> tuple[int, ...]:
    """An identifier counts as itself and, where it has several, as each of its words in lower case."""
    words = {word.lower() for word in _SUBWORD.findall(identifier) if len(word) >= _MIN_SUBWORD}
    words.discard(identifier)
    return (word_id(identifier), *(word_id(word) for word in sorted(words)))
