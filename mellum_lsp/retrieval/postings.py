"""Immutable pieces of an inverted index: for every term, the chunks that hold it, in three arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Terms = npt.NDArray[np.uint32]
ChunkIds = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.int64]

_COPY_STEP = 1 << 20
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Segment:
    """``chunk_ids[offsets[i]:offsets[i + 1]]`` hold ``terms[i]``; terms are sorted and distinct."""

    terms: Terms
    offsets: Offsets
    chunk_ids: ChunkIds

    @property
    def size(self) -> int:
        return len(self.chunk_ids)

    @property
    def nbytes(self) -> int:
        return self.terms.nbytes + self.offsets.nbytes + self.chunk_ids.nbytes

    def lookup(self, terms: Terms) -> list[ChunkIds]:
        """The chunks of each of ``terms`` that occurs here."""
        if not len(self.terms) or not len(terms):
            return []
        places = np.searchsorted(self.terms, terms)
        places[places == len(self.terms)] = 0
        found = places[self.terms[places] == terms]
        starts, ends = self.offsets[found].tolist(), self.offsets[found + 1].tolist()
        return [self.chunk_ids[start:end] for start, end in zip(starts, ends, strict=True)]


def empty_segment() -> Segment:
    return Segment(np.empty(0, np.uint32), np.zeros(1, np.int64), np.empty(0, np.uint32))


def segment_of_pairs(terms: Terms, chunk_ids: ChunkIds) -> Segment:
    """The segment of ``(term, chunk)`` pairs in any order, some perhaps twice."""
    pairs = (terms.astype(np.uint64) << _HALF) | chunk_ids
    pairs.sort()
    pairs = pairs[_first_of_equals(pairs)]
    ordered = (pairs >> _HALF).astype(np.uint32)
    starts = np.flatnonzero(_first_of_equals(ordered))
    offsets = np.append(starts, len(ordered)).astype(np.int64)
    return Segment(ordered[starts], offsets, pairs.astype(np.uint32))


def _first_of_equals(ordered: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a sorted array has another value than just before."""
    firsts = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=firsts[1:])
    return firsts


def ranges(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each ``i`` the ``lengths[i]`` numbers from ``starts[i]`` on, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def shifted(segment: Segment, by: int) -> Segment:
    """The same segment with every chunk number raised."""
    return Segment(segment.terms, segment.offsets, segment.chunk_ids + np.uint32(by))


def merge(older: Segment, newer: Segment) -> Segment:
    """Both segments as one; the chunks of ``newer`` come after those of ``older`` for each term."""
    if not older.size:
        return newer
    if not newer.size:
        return older
    terms = np.concatenate((older.terms, newer.terms))  # many times faster than `np.union1d`
    terms.sort()
    terms = terms[_first_of_equals(terms)]
    at_older, at_newer = np.searchsorted(terms, older.terms), np.searchsorted(terms, newer.terms)
    older_lengths, newer_lengths = np.diff(older.offsets), np.diff(newer.offsets)
    lengths = np.zeros(len(terms), np.int64)
    lengths[at_older] = older_lengths
    lengths_of_older = lengths.copy()
    lengths[at_newer] += newer_lengths
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    chunk_ids = np.empty(int(offsets[-1]), np.uint32)
    _scatter(chunk_ids, offsets[at_older], older)
    _scatter(chunk_ids, (offsets[:-1] + lengths_of_older)[at_newer], newer)
    return Segment(terms, offsets, chunk_ids)


def _scatter(target: ChunkIds, starts: Offsets, segment: Segment) -> None:
    """Copies every run of the segment to its start in ``target``, in steps that free the interpreter."""
    shift = starts - segment.offsets[:-1]
    for first in range(0, segment.size, _COPY_STEP):
        last = min(first + _COPY_STEP, segment.size)
        low = int(np.searchsorted(segment.offsets, first, side="right")) - 1
        high = int(np.searchsorted(segment.offsets, last, side="left"))
        bounds = np.clip(segment.offsets[low : high + 1], first, last)
        places = np.repeat(shift[low:high], np.diff(bounds)) + np.arange(first, last)
        target[places] = segment.chunk_ids[first:last]


def renumbered(segment: Segment, numbers: npt.NDArray[np.int64]) -> Segment:
    """The segment with chunk ``i`` become ``numbers[i]``; chunks whose number is negative are dropped."""
    mapped = numbers[segment.chunk_ids]
    kept = mapped >= 0
    kept_before = np.concatenate(([0], np.cumsum(kept)))
    offsets = kept_before[segment.offsets]
    alive = np.flatnonzero(np.diff(offsets) > 0)
    return Segment(
        segment.terms[alive],
        np.append(offsets[alive], offsets[-1]).astype(np.int64),
        mapped[kept].astype(np.uint32),
    )
