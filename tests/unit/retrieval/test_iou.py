"""The index answers exactly what comparing with every set would, whatever was added, removed and merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mellum_lsp.retrieval.iou as iou
from mellum_lsp.retrieval.iou import IouIndex
from mellum_lsp.retrieval.postings import segment_of_pairs

TERMS = st.frozensets(st.integers(0, 40), max_size=12)


def brute_force(
    sets: dict[int, frozenset[int]], query: frozenset[int], limit: int
) -> list[tuple[int, float]]:
    scores = [(number, len(one & query) / len(one | query)) for number, one in sets.items() if one & query]
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))[:limit]


def ids(terms: frozenset[int]) -> np.ndarray:
    return np.array(sorted(terms), np.uint32)


def append(index: IouIndex, sets: list[frozenset[int]]) -> int:
    terms = [term for one in sets for term in one]
    numbers = [number for number, one in enumerate(sets) for _ in one]
    segment = segment_of_pairs(np.array(terms, np.uint32), np.array(numbers, np.uint32))
    return index.append(segment, [len(one) for one in sets])


def found(index: IouIndex, query: frozenset[int], limit: int) -> list[tuple[int, float]]:
    chunks, scores = index.top(ids(query), limit)
    return list(zip(chunks.tolist(), scores.tolist(), strict=True))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(TERMS, min_size=1, max_size=10)),
        st.tuples(st.just("remove"), st.integers(0, 10_000)),
        st.tuples(st.just("renumber"), st.none()),
    ),
    min_size=1,
    max_size=14,
)


@pytest.mark.parametrize("with_bits", [False, True])
def test_equals_brute_force_after_any_sequence(with_bits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iou, "_COMMON_FROM_CHUNKS", 4 if with_bits else 1 << 30)

    @settings(max_examples=150)
    @given(STEPS, TERMS, st.integers(1, 12))
    def check(steps: list[tuple[str, object]], query: frozenset[int], limit: int) -> None:
        index, alive = IouIndex(), {}
        for step, argument in steps:
            if step == "append":
                first = append(index, argument)
                alive.update({first + place: one for place, one in enumerate(argument)})
            elif step == "remove" and alive:
                number = sorted(alive)[argument % len(alive)]
                index.remove([number])
                del alive[number]
            elif step == "renumber":
                numbers = np.full(len(index), -1, np.int64)
                numbers[sorted(alive)] = np.arange(len(alive))
                index = index.renumbered(numbers, len(alive))
                alive = {place: alive[number] for place, number in enumerate(sorted(alive))}
        expected = brute_force(alive, query, limit)
        answer = found(index, query, limit)
        assert [number for number, _ in answer] == [number for number, _ in expected]
        assert [score for _, score in answer] == pytest.approx([score for _, score in expected])

    check()


def test_equals_brute_force_on_many_sets_of_uneven_terms() -> None:
    random = np.random.default_rng(5)
    index, sets = IouIndex(), {}
    for _ in range(25):
        batch = [frozenset((random.zipf(1.3, 40) % 5000).tolist()) for _ in range(400)]
        first = append(index, batch)
        sets.update({first + place: one for place, one in enumerate(batch)})
    for number in random.choice(len(sets), 500, replace=False).tolist():
        index.remove([number])
        del sets[number]
    assert index._state.common.chosen_from < len(index)  # some had their bits set when they came
    for _ in range(10):
        query = frozenset((random.zipf(1.3, 90) % 5000).tolist())
        expected = brute_force(sets, query, 24)
        answer = found(index, query, 24)
        assert answer == [(number, pytest.approx(score)) for number, score in expected]


def test_a_reader_keeps_its_view_while_a_writer_renumbers() -> None:
    index = IouIndex()
    append(index, [frozenset({1, 2}), frozenset({2, 3})])
    renumbered = index.renumbered(np.array([-1, 0]), 1)
    assert found(index, frozenset({1}), 5) == [(0, 0.5)]
    assert found(renumbered, frozenset({3}), 5) == [(0, 0.5)]


def test_nothing_in_nothing_out() -> None:
    index = IouIndex()
    assert found(index, frozenset({1}), 5) == []
    append(index, [frozenset(), frozenset({1})])
    assert found(index, frozenset(), 5) == []
    assert found(index, frozenset({7}), 5) == []
    assert found(index, frozenset({1}), 0) == []


def test_holders_of_a_term() -> None:
    index = IouIndex(use_bits=False)
    append(index, [frozenset({1}), frozenset({2})])
    append(index, [frozenset({1, 2})])
    assert index.holders(1).tolist() == [0, 2]
    index.remove([0])
    assert index.holders(1).tolist() == [2]
    assert index.holders(9).tolist() == []
