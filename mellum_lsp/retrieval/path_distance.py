"""How far two files are apart: the number of steps between their folders."""

from __future__ import annotations

UNRELATED_ROOTS = 8
"""Steps between files of different workspace folders."""


def hops(path: str, other: str) -> int:
    """Steps up and down the folders from one file to the other; 0 within one folder. Paths use ``/``."""
    ours, theirs = path.split("/")[:-1], other.split("/")[:-1]
    shared = 0
    for one, two in zip(ours, theirs, strict=False):
        if one != two:
            break
        shared += 1
    return len(ours) + len(theirs) - 2 * shared
