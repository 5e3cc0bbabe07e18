"""Exact top-k intersection over union of term sets, by an inverted index in flat arrays, updated per file.

Terms that very many chunks hold make most of an index and of a query's work: the commonest 128 are kept as
two words of bits per chunk and counted with a few vector operations. The rest are posting lists in a few
segments of growing size; a new batch is a small segment, and neighbours of similar size are merged. A
removed chunk keeps its postings, with a size so large that its score vanishes, until the next renumbering.

Nothing is approximated: a chunk is passed over only when the terms that it shares cannot suffice for a place
among the best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mellum_lsp.retrieval.postings import (
    Segment,
    Terms,
    empty_segment,
    merge,
    ranges,
    renumbered,
    shifted,
)

COMMON_TERMS = 128
_WORD_BITS = 64
_COMMON_FROM_CHUNKS = 4096
_MERGE_RATIO = 4
_DEAD = np.uint32(1 << 31)
_SMALLEST = 1e-6
_BLOCK = 1 << 15
_CHOOSE_AGAIN_AT = 4
"""When there are so many times the chunks by which the common terms were chosen, they are chosen again."""


Bits = npt.NDArray[np.uint64]
Sizes = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]
Counts = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Common:
    """The commonest terms of the first ``chosen_from`` chunks, and which of them every chunk holds.

    Term ``i`` is bit ``i % 64`` of word ``i // 64``; the words have room for more chunks than there are.
    """

    terms: Terms
    words: tuple[Bits, ...]
    chosen_from: int

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
        all_sizes = with_room(state.sizes, first, count)
        all_sizes[first:count] = added
        common, rest = _with_bits(state.common, shifted(segment, first), first, count)
        segments = (*state.segments, rest) if rest.size else state.segments
        self._state = _State(count, all_sizes, common, segments)
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
        if not state.count or not len(terms) or limit <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        shared = _count_shared(state, terms)
        chosen, scores = _candidates(state, shared, len(terms), limit)
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

    def frozen(self) -> IouIndex:
        """The index as it is now, whatever becomes of the original; not to be written to."""
        state, copy = self._state, IouIndex(self._use_bits)
        copy._state = replace(state, sizes=state.sizes[: state.count].copy())
        return copy

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
            state = self._state = replace(state, segments=tuple(segments))
        grown = state.count >= max(_COMMON_FROM_CHUNKS, _CHOOSE_AGAIN_AT * state.common.chosen_from)
        if self._use_bits and grown:
            self._state = _with_common_chosen(state)


def with_room(array: npt.NDArray[Any], used: int, needed: int, fill: int = 0) -> npt.NDArray[Any]:
    """The array, or a longer one that begins with its first ``used`` values, for ``needed`` values."""
    if needed <= len(array):
        return array
    longer = np.full(max(needed, len(array) * 3 // 2, 1024), fill, array.dtype)
    longer[:used] = array[:used]
    return longer


def _with_bits(common: Common, segment: Segment, first: int, count: int) -> tuple[Common, Segment]:
    """The common terms with the chunks from ``first`` on; and what of their segment is not common."""
    if not len(common.terms):
        return common, segment
    words = tuple(with_room(word, first, count) for word in common.words)
    places = np.searchsorted(segment.terms, common.terms)
    places[places == len(segment.terms)] = 0
    numbers = np.flatnonzero(segment.terms[places] == common.terms) if segment.size else places[:0]
    found = places[numbers]
    _set_bits(words, segment, found, numbers)
    return replace(common, words=words), _without(segment, found)


def _set_bits(words: tuple[Bits, ...], segment: Segment, places: Places, numbers: Places) -> None:
    """Notes that the chunks of the segment's terms at ``places`` hold the common terms ``numbers``."""
    lengths = segment.offsets[places + 1] - segment.offsets[places]
    bit_numbers = np.repeat(numbers, lengths)
    chunk_ids = segment.chunk_ids[ranges(segment.offsets[places], lengths)]
    for index, word in enumerate(words):
        own = bit_numbers // _WORD_BITS == index
        bits = np.uint64(1) << (bit_numbers[own] % _WORD_BITS).astype(np.uint64)
        np.add.at(word, chunk_ids[own], bits)  # no bit is set before, so adding is setting


def _with_common_chosen(state: _State) -> _State:
    """The same with the commonest terms of all chunks moved from posting lists into bits."""
    whole = _with_common_as_postings(state)
    lengths = np.diff(whole.offsets)
    chosen = np.sort(np.argsort(lengths, kind="stable")[-COMMON_TERMS:])
    words = tuple(np.zeros(state.count, np.uint64) for _ in range(COMMON_TERMS // _WORD_BITS))
    _set_bits(words, whole, chosen, np.arange(len(chosen)))
    common = Common(whole.terms[chosen], words, state.count)
    return replace(state, common=common, segments=(_without(whole, chosen),))


def _count_shared(state: _State, terms: Terms) -> Counts:
    """How many of ``terms`` each chunk holds. A pair of both is in the bits or in one posting list."""
    shared: Counts = np.zeros(
        state.count, np.uint8 if len(terms) < 256 else np.uint16
    )  # a quarter of the time
    common = state.common
    if len(common.terms):
        places = np.minimum(np.searchsorted(common.terms, terms), len(common.terms) - 1)
        numbers = places[common.terms[places] == terms]
        for index, word in enumerate(common.words):
            mask = 0
            for number in numbers[numbers // _WORD_BITS == index].tolist():
                mask |= 1 << number % _WORD_BITS
            if mask:
                _add_bits(shared, word[: state.count], np.uint64(mask))
    for segment in state.segments:
        for run in segment.lookup(terms):
            np.add.at(shared, run, shared.dtype.type(1))  # twice as fast as `shared[run] += 1`
    return shared


def _add_bits(shared: Counts, word: Bits, mask: np.uint64) -> None:
    """Adds to each chunk how many of the masked bits it has, in blocks that stay in the processor's cache."""
    held, bits = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint8)
    for start in range(0, len(word), _BLOCK):
        block = word[start : start + _BLOCK]
        counts = bits[: len(block)]
        np.bitwise_count(np.bitwise_and(block, mask, out=held[: len(block)]), out=counts)
        shared[start : start + _BLOCK] += counts


def _candidates(
    state: _State, shared: Counts, terms: int, limit: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The chunks that can be among the best ``limit``, and their scores.

    The score of a chunk that shares ``c`` of ``q`` terms is at most ``c / q``. The ``limit`` chunks that
    share most give a score that every one of the best must reach; all that share too few for it are out.
    """
    low, high = 1, int(shared.max(initial=0))
    while low < high:
        middle = (low + high + 1) // 2
        if np.count_nonzero(shared >= middle) >= limit:
            low = middle
        else:
            high = middle - 1
    chosen = np.flatnonzero(shared >= low)
    scores = _iou(state, shared, chosen, terms)
    if len(scores) >= limit:
        reached = float(np.partition(scores, len(scores) - limit)[len(scores) - limit])
        needed = max(1, int(np.ceil(reached * terms - 1e-9)))
        if needed < low:
            chosen = np.flatnonzero(shared >= needed)
            scores = _iou(state, shared, chosen, terms)
        good = scores >= reached
        chosen, scores = chosen[good], scores[good]
    return chosen, scores


def _iou(state: _State, shared: Counts, chunks: npt.NDArray[np.int64], terms: int) -> npt.NDArray[np.float64]:
    both = shared[chunks].astype(np.float64)
    return both / (state.sizes[chunks] + terms - both)


def _with_common_as_postings(state: _State) -> Segment:
    """All pairs of the state as one segment."""
    common = state.common
    whole = empty_segment()
    if len(common.terms):
        held = [
            np.flatnonzero(
                common.words[number // _WORD_BITS][: state.count] & np.uint64(1 << number % _WORD_BITS)
            )
            for number in range(len(common.terms))
        ]
        lengths = np.fromiter((len(one) for one in held), np.int64, len(held))
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        whole = Segment(common.terms, offsets, np.concatenate(held).astype(np.uint32))
    for segment in state.segments:
        whole = merge(whole, segment)
    return whole


def _without(segment: Segment, places: Places) -> Segment:
    """The segment without the terms at ``places``."""
    if not len(places):
        return segment
    lengths = np.diff(segment.offsets)
    kept = np.ones(len(segment.terms), bool)
    kept[places] = False
    return Segment(
        segment.terms[kept],
        np.concatenate(([0], np.cumsum(lengths[kept]))),
        segment.chunk_ids[np.repeat(kept, lengths)],
    )
