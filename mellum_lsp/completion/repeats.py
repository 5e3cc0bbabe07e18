"""Repetition as small models produce it: the same line again and again, the same block, the same words."""

from __future__ import annotations

import re
from collections.abc import Sequence

IDENTICAL_LINES = 3
"""Also where lines that say nothing stand between them."""
LONGEST_BLOCK = 6
LONGEST_UNIT = 40

_WORD = re.compile(r"\w")
_ONLY_CLOSES = re.compile(r"\W*(?:end\w*|fi|done|esac)\W*")


def repeated_lines(lines: Sequence[str]) -> int:
    """How many lines from the end only repeat what stands before them; 0 where none do.

    Three identical lines in a row are one line too often twice; a block of several lines once. Lines without
    a letter or digit (brackets, rulers) and words that close blocks repeat for good reasons, and do not make
    several lines of one.
    """
    for size in range(1, min(LONGEST_BLOCK, len(lines) // 2) + 1):
        block = list(lines[-size:])
        said = len({line for line in block if _says(line)})
        times = 2 if said > 1 else IDENTICAL_LINES
        if said and list(lines[-size * times :]) == block * times:
            return size * (times - 1)
    return 0


def _says(line: str) -> bool:
    return bool(_WORD.search(line)) and not _ONLY_CLOSES.fullmatch(line)


def repeated_unit(line: str) -> int | None:
    """Where the second copy of a unit begins that repeats at the line's end, or None.

    Three characters must repeat six times, ten characters four times; rulers of punctuation do not count.
    """
    for times, shortest in ((6, 3), (4, 10)):
        for size in range(shortest, min(len(line) // times, LONGEST_UNIT) + 1):
            unit = line[-size:]
            if line.endswith(unit * times) and _WORD.search(unit):
                return len(line) - size * (times - 1)
    return None
