"""Hashes of runs of words or lines, the units in which texts are compared. The same in every process."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Runs = npt.NDArray[np.uint64]


def runs_of(pieces: Iterable[str], length: int) -> Runs:
    """One 64-bit hash for every run of ``length`` pieces, sorted, each once; empty where there are fewer."""
    codes = np.array([zlib.crc32(piece.encode("utf-8", "replace")) for piece in pieces], dtype=np.uint64)
    count = len(codes) - length + 1
    if count < 1:
        return np.empty(0, np.uint64)
    hashes = np.zeros(count, np.uint64)
    for offset in range(length):  # multiplication wraps around, as polynomial hashing wants it
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[offset : offset + count] + np.uint64(1)
    return np.unique(hashes)


def shared(runs: Runs, of: Runs) -> int:
    """How many of ``runs`` are among ``of`` (both sorted, each once)."""
    if not len(runs) or not len(of):
        return 0
    at = np.searchsorted(of, runs)
    return int((of[np.minimum(at, len(of) - 1)] == runs).sum())
