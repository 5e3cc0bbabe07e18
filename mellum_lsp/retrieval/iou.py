"""Exact top-k intersection over union of term sets, by an inverted index in flat arrays, updated per file.

Terms that very many chunks hold make most of an index and of a query's work: the commonest 128 are kept as
two words of bits per chunk and counted with one vector operation each. The rest are posting lists in a few
segments of growing size; a new file is a small segment, and neighbours of similar size are merged. A
removed chunk keeps its postings, with a size so large that its score vanishes, until the next renumbering.

Nothing is approximated: a chunk is passed over only when the terms that it shares cannot suffice for a place
among the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mellum_lsp.retrieval.postings import (
    Segment,
    Terms,
    empty_segment,
    merge,
    renumbered,
    shifted,
)

COMMON_TERMS = 128
_WORD_BITS = 64
_COMMON_FROM_CHUNKS = 4096
_MERGE_RATIO = 4
_DEAD = np.uint32(1 << 31)
_SMALLEST = 1e-6
_ONE = np.uint16(1)
_CHOOSE_AGAIN_AT = 1.3
"""When there are so many times the chunks whose common terms are bits, all are made bits again."""


Bits = npt.NDArray[np.uint64]
Sizes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Common:
    """The commonest terms, and which of them each of the first chunks holds."""

    terms: Terms
    words: tuple[Bits, ...]
    chunks: int

    @property
    def nbytes(self) -> int:
        return sum(word.nbytes for word in self.words)


NO_COMMON = Common(np.empty(0, np.uint32), (), 0)


@dataclass(frozen=True, slots=True)
class _State:
    """What a query reads: replaced as a whole, so that queries need no lock."""

    count: int
    sizes: Sizes
    common: Common
    segments: tuple[Segment, ...]


class IouIndex:
    """Sets of terms, numbered from 0 in the order of `append`. One writer at a time, many readers."""

    def __init__(self, use_bits: bool = True) -> None:
        self._use_bits = use_bits
        self._state = _State(0, np.empty(0, np.uint32), NO_COMMON, ())

    def __len__(self) -> int:
        return self._state.count

    @property
    def nbytes(self) -> int:
        state = self._state
        return state.sizes.nbytes + state.common.nbytes + sum(segment.nbytes for segment in state.segments)

    def append(self, segment: Segment, sizes: npt.ArrayLike) -> int:
        """Adds chunks numbered from 0 in ``segment``, with their sets' sizes; returns the first number."""
        state = self._state
        added = np.asarray(sizes, np.uint32)
        first, count = state.count, state.count + len(added)
        room = state.sizes
        if count > len(room):
            room = np.empty(max(count, len(room) * 3 // 2, 1024), np.uint32)
            room[:first] = state.sizes[:first]
        room[first:count] = added
        segments = [*state.segments, shifted(segment, first)] if segment.size else [*state.segments]
        self._state = _State(count, room, state.common, tuple(segments))
        self._settle()
        return first

    def remove(self, chunks: npt.ArrayLike) -> None:
        """The chunks score nothing from now on."""
        self._state.sizes[np.asarray(chunks, np.int64)] = _DEAD

    def top(self, terms: Terms, limit: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The best ``limit`` chunks that share a term with the sorted distinct ``terms``, and their IoU.

        Best first, equal scores by number.
        """
        state = self._state
        none = np.empty(0, np.int64), np.empty(0, np.float64)
        if not state.count or not len(terms) or limit <= 0:
            return none
        shared = _count_shared(state, terms)
        chosen = _candidates(state, shared, len(terms), limit)
        if not len(chosen):
            return none
        scores = _iou(state, shared, chosen, len(terms))
        order = np.lexsort((chosen, -scores))[:limit]
        order = order[scores[order] > _SMALLEST]  # the removed ones
        return chosen[order], scores[order]

    def holders(self, term: int) -> npt.NDArray[np.int64]:
        """The chunks that hold one term, ascending; only of an index without bits."""
        state, wanted = self._state, np.array([term], np.uint32)
        runs = [run for segment in state.segments for run in segment.lookup(wanted)]
        chunks = np.sort(np.concatenate(runs)).astype(np.int64) if runs else np.empty(0, np.int64)
        alive: npt.NDArray[np.int64] = chunks[state.sizes[chunks] != _DEAD]
        return alive

    def renumbered(self, numbers: npt.NDArray[np.int64], count: int) -> IouIndex:
        """A new index of ``count`` sets: chunk ``i`` is ``numbers[i]`` (ascending), negative: dropped."""
        new = IouIndex(self._use_bits)
        new.append(*self.exported(numbers))
        assert len(new) == count
        return new

    def exported(self, numbers: npt.NDArray[np.int64]) -> tuple[Segment, Sizes]:
        """Everything as one segment and the sets' sizes, renumbered in the same way."""
        state = self._state
        kept = np.flatnonzero(numbers[: state.count] >= 0)
        return renumbered(_with_common_as_postings(state), numbers), state.sizes[kept]

    def _settle(self) -> None:
        """Merges the newest segments while they are of similar size; looks after the common terms."""
        state = self._state
        segments = list(state.segments)
        while len(segments) > 1 and segments[-2].size < _MERGE_RATIO * segments[-1].size:
            newer, older = segments.pop(), segments.pop()
            segments.append(merge(older, newer))
        if len(segments) != len(state.segments):
            self._state = _State(state.count, state.sizes, state.common, tuple(segments))
        if (
            self._use_bits
            and state.count >= _COMMON_FROM_CHUNKS
            and state.count >= _CHOOSE_AGAIN_AT * state.common.chunks
        ):
            self._choose_common()

    def _choose_common(self) -> None:
        """Moves the commonest terms of all from posting lists into bits."""
        state = self._state
        if state.count < _COMMON_FROM_CHUNKS or not self._use_bits:
            return
        whole = _with_common_as_postings(state)
        if not whole.size:
            return
        lengths = np.diff(whole.offsets)
        chosen = np.sort(np.argsort(lengths, kind="stable")[-COMMON_TERMS:])
        words = [np.zeros(state.count, np.uint64) for _ in range(COMMON_TERMS // _WORD_BITS)]
        for number, place in enumerate(chosen.tolist()):
            chunk_ids = whole.chunk_ids[whole.offsets[place] : whole.offsets[place + 1]]
            words[number // _WORD_BITS][chunk_ids] |= np.uint64(1 << number % _WORD_BITS)
        common = Common(whole.terms[chosen], tuple(words), state.count)
        self._state = _State(state.count, state.sizes, common, (_without(whole, chosen),))


def _count_shared(state: _State, terms: Terms) -> npt.NDArray[np.uint16]:
    """How many of ``terms`` each chunk holds. A pair of both is in the bits or in one posting list."""
    shared = np.zeros(state.count, np.uint16)
    common = state.common
    if common.chunks:
        places = np.minimum(np.searchsorted(common.terms, terms), len(common.terms) - 1)
        numbers = places[common.terms[places] == terms]
        for index, word in enumerate(common.words):
            mask = 0
            for number in numbers[numbers // _WORD_BITS == index].tolist():
                mask |= 1 << number % _WORD_BITS
            if mask:
                shared[: common.chunks] += np.bitwise_count(word & np.uint64(mask))
    for segment in state.segments:
        for run in segment.lookup(terms):
            np.add.at(shared, run, _ONE)  # twice as fast as `shared[run] += 1`
    return shared


def _candidates(
    state: _State, shared: npt.NDArray[np.uint16], terms: int, limit: int
) -> npt.NDArray[np.int64]:
    """The chunks that can be among the best: all others share too few terms for the score of the last of
    those.

    The score of a chunk that shares ``c`` of ``q`` terms is at most ``c / q``. The ``limit`` chunks that
    share most give a score that every one of the best must reach.
    """
    low, high = 1, int(shared.max(initial=0))
    if high == 0:
        return np.empty(0, np.int64)
    while low < high:
        middle = (low + high + 1) // 2
        if np.count_nonzero(shared >= middle) >= limit:
            low = middle
        else:
            high = middle - 1
    most_shared = np.flatnonzero(shared >= low)
    scores = _iou(state, shared, most_shared, terms)
    if len(scores) < limit:
        return most_shared
    reached = float(np.partition(scores, len(scores) - limit)[len(scores) - limit])
    needed = max(1, int(np.ceil(reached * terms - 1e-9)))
    return most_shared if needed >= low else np.flatnonzero(shared >= needed)


def _iou(
    state: _State, shared: npt.NDArray[np.uint16], chunks: npt.NDArray[np.int64], terms: int
) -> npt.NDArray[np.float64]:
    both = shared[chunks].astype(np.float64)
    return both / (state.sizes[chunks] + terms - both)


def _with_common_as_postings(state: _State) -> Segment:
    """All pairs of the state as one segment."""
    common = state.common
    whole = empty_segment()
    if common.chunks:
        held = [
            np.flatnonzero(common.words[number // _WORD_BITS] & np.uint64(1 << number % _WORD_BITS))
            for number in range(len(common.terms))
        ]
        lengths = np.fromiter((len(one) for one in held), np.int64, len(held))
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        whole = Segment(common.terms, offsets, np.concatenate(held).astype(np.uint32))
    for segment in state.segments:
        whole = merge(whole, segment)
    return whole


def _without(segment: Segment, places: npt.NDArray[np.int64]) -> Segment:
    """The segment without the terms at ``places``."""
    lengths = np.diff(segment.offsets)
    kept = np.ones(len(segment.terms), bool)
    kept[places] = False
    return Segment(
        segment.terms[kept],
        np.concatenate(([0], np.cumsum(lengths[kept]))),
        segment.chunk_ids[np.repeat(kept, lengths)],
    )
