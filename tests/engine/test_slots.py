"""Slots note exactly what the cache holds, and what they must give up is brought back where that pays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.engine.slots import Slot, Slots
from mellum_lsp.engine.states import States, common_length

SLOW, FAST = 1e3, 1e12
"""Tokens a second: at which moving states pays, and at which evaluating does."""


class FakeMemory:
    """A cache that holds tokens themselves; ``cuttable`` False is what a recurrent model has.

    ``longest_state`` is a sliding window: of longer sequences only the end is saved.
    """

    longest_state = 1000

    def __init__(self, cuttable: bool = True, sequences: int = 3):
        self.sequences = sequences
        self.held: list[list[int]] = [[] for _ in range(sequences)]
        self.cuttable = cuttable
        self.saves = self.restores = 0

    def length(self, sequence: int) -> int:
        return len(self.held[sequence])

    def cut(self, sequence: int, length: int) -> bool:
        if self.cuttable:
            del self.held[sequence][length:]
        return self.cuttable

    def clear(self, sequence: int) -> None:
        self.held[sequence] = []

    def state_bytes(self, sequence: int) -> int:
        return 4 * len(self.held[sequence])

    def save(self, sequence: int) -> np.ndarray:
        self.saves += 1
        return np.array(self.held[sequence][-self.longest_state :], np.int32).view(np.uint8)

    def restore(self, sequence: int, data: np.ndarray) -> bool:
        assert self.held[sequence] == []
        self.restores += 1
        self.held[sequence] = data.view(np.int32).tolist()
        return True


class Cache:
    """Slots over a fake memory, used as a decoder uses them."""

    def __init__(
        self, cuttable: bool = True, sequences: int = 3, speed: float = SLOW, parked_bytes: int = 10**6
    ) -> None:
        self.memory = FakeMemory(cuttable, sequences)
        self.states = States(self.memory, lambda: speed, parked_bytes, can_cut=cuttable)
        self.slots = Slots(self.memory, self.states, can_cut=cuttable)

    def prepare(self, document: str, prompt: np.ndarray) -> Slot:
        slot = self.slots.prepare(document, prompt)
        assert self.memory.held[slot.sequence] == slot.tokens.tolist()
        assert len(slot.tokens) < len(prompt)
        assert slot.tokens.tolist() == prompt[: len(slot.tokens)].tolist()
        return slot

    def evaluate(self, document: str, prompt: np.ndarray) -> tuple[Slot, int]:
        """The slot afterwards, and how many tokens had to be evaluated."""
        slot = self.prepare(document, prompt)
        rest = prompt[len(slot.tokens) :]
        self.memory.held[slot.sequence] += rest.tolist()
        self.slots.extend(slot, rest)
        return slot, len(rest)


def tokens(*ranges: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.arange(a, b, dtype=np.int32) for a, b in ranges])


class TestOwnSequence:
    def test_a_document_keeps_its_sequence_and_what_is_common(self) -> None:
        cache = Cache()
        first, _ = cache.evaluate("a", tokens((0, 20)))
        again = cache.prepare("a", tokens((0, 10), (50, 60)))
        assert again is first
        assert again.tokens.tolist() == list(range(10))

    def test_the_last_token_of_a_prompt_is_always_evaluated(self) -> None:
        cache = Cache()
        cache.evaluate("a", tokens((0, 20)))
        assert len(cache.prepare("a", tokens((0, 20))).tokens) == 19

    def test_a_cache_that_cannot_be_cut_is_evaluated_anew(self) -> None:
        cache = Cache(cuttable=False)
        cache.evaluate("a", tokens((0, 20)))
        assert cache.evaluate("a", tokens((0, 30)))[1] == 10, "an appended prompt needs no cut"
        assert cache.evaluate("a", tokens((0, 10), (50, 60)))[1] == 20

    def test_the_least_recently_used_document_gives_way(self) -> None:
        cache = Cache()
        used = {
            name: cache.evaluate(name, tokens((n * 100, n * 100 + 10)))[0] for n, name in enumerate("abc")
        }
        cache.evaluate("a", tokens((0, 10)))
        assert cache.evaluate("d", tokens((700, 710)))[0].sequence == used["b"].sequence
        assert cache.evaluate("a", tokens((0, 10)))[1] == 1

    def test_documents_of_a_server_that_has_gone_give_way_first(self) -> None:
        cache = Cache()
        used = {
            n: cache.evaluate(n, tokens((k * 100, k * 100 + 10)))[0]
            for k, n in enumerate(("1:a", "2:a", "1:b"))
        }
        cache.slots.retire("2:")
        assert cache.evaluate("1:c", tokens((700, 710)))[0].sequence == used["2:a"].sequence

    def test_after_an_abort_the_slot_is_what_the_cache_says(self) -> None:
        cache = Cache()
        slot, _ = cache.evaluate("a", tokens((0, 20)))
        cache.slots.recheck(slot)
        assert len(slot.tokens) == 20
        del cache.memory.held[slot.sequence][17:]
        cache.slots.recheck(slot)
        assert (len(slot.tokens), cache.memory.held[slot.sequence]) == (0, [])


class TestStates:
    def test_what_had_to_give_way_comes_back_without_being_evaluated(self) -> None:
        cache = Cache(sequences=1)
        for name, begin in (("a", 0), ("b", 500), ("c", 900)):
            cache.evaluate(name, tokens((begin, begin + 100)))
        assert cache.evaluate("a", tokens((0, 100)))[1] == 1
        assert cache.evaluate("b", tokens((500, 590), (0, 5)))[1] == 5

    def test_a_new_document_begins_with_what_another_one_shares(self) -> None:
        cache = Cache()
        cache.evaluate("a", tokens((0, 100)))
        assert cache.evaluate("b", tokens((0, 80), (500, 510)))[1] == 10
        assert cache.evaluate("a", tokens((0, 101)))[1] == 1, "and the other one keeps its own"

    def test_a_state_that_has_more_in_common_than_the_own_sequence_takes_its_place(self) -> None:
        cache = Cache(sequences=2)
        cache.evaluate("a", tokens((0, 100)))
        cache.evaluate("b", tokens((0, 10), (500, 600)))
        assert cache.evaluate("b", tokens((0, 90)))[1] == 1
        assert cache.evaluate("b", tokens((0, 10), (500, 600)))[1] == 1, "what was replaced is parked"

    def test_where_evaluating_is_as_fast_nothing_is_moved(self) -> None:
        cache = Cache(sequences=1, speed=FAST)
        cache.evaluate("a", tokens((0, 100)))
        cache.evaluate("b", tokens((500, 600)))
        assert cache.evaluate("a", tokens((0, 100)))[1] == 100
        assert cache.memory.saves == cache.memory.restores == 0

    def test_a_few_tokens_are_not_worth_it(self) -> None:
        cache = Cache()
        cache.evaluate("a", tokens((0, 20)))
        assert cache.evaluate("b", tokens((0, 20), (50, 60)))[1] == 30
        assert cache.memory.saves == 0

    def test_memory_for_them_is_bounded_and_the_least_recently_used_give_way(self) -> None:
        cache = Cache(sequences=1, parked_bytes=2 * 4 * 100)
        for name, begin in (("a", 0), ("b", 500), ("c", 900)):
            cache.evaluate(name, tokens((begin, begin + 100)))
        cache.evaluate("a", tokens((0, 100)))  # b and c wait, a is used: d's coming parks it
        cache.evaluate("d", tokens((2000, 2100)))
        assert cache.evaluate("b", tokens((500, 600)))[1] == 100
        assert cache.evaluate("a", tokens((0, 100)))[1] == 1

    def test_a_newer_state_of_the_same_text_takes_the_place_of_the_older(self) -> None:
        cache = Cache(sequences=1, parked_bytes=4 * 350)
        for length in (100, 104, 108):
            cache.evaluate("a", tokens((0, length)))
            cache.evaluate("b", tokens((500, 600 + length)))
        assert cache.evaluate("a", tokens((0, 108)))[1] == 1

    def test_a_state_that_cannot_be_cut_serves_only_what_begins_with_all_of_it(self) -> None:
        cache = Cache(cuttable=False, sequences=1)
        cache.evaluate("a", tokens((0, 100)))
        cache.evaluate("b", tokens((500, 600)))
        assert cache.evaluate("c", tokens((0, 90), (900, 910)))[1] == 100
        assert cache.evaluate("a", tokens((0, 110)))[1] == 10

    def test_what_a_sliding_window_has_left_behind_is_neither_saved_nor_copied(self) -> None:
        cache = Cache(sequences=2)
        cache.memory.longest_state = 60
        for name, begin in (("a", 0), ("b", 500), ("c", 900)):
            cache.evaluate(name, tokens((begin, begin + 100)))
        assert cache.evaluate("a", tokens((0, 100)))[1] == 100
        assert cache.evaluate("d", tokens((0, 90), (700, 710)))[1] == 100

    @given(
        st.lists(
            st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.integers(30, 60), st.integers(0, 9)),
            max_size=25,
        ),
        st.booleans(),
        st.integers(1, 3),
    )
    def test_whatever_is_asked_a_slot_holds_what_the_prompt_begins_with(
        self, asked: list[tuple[str, int, int, int]], cuttable: bool, sequences: int
    ) -> None:
        cache = Cache(cuttable, sequences, parked_bytes=700)
        for document, family, common, own in asked:
            begin = family * 1000
            cache.evaluate(document, tokens((begin, begin + common), (9000 + own, 9040 + own)))


@pytest.mark.parametrize(
    ("a", "b", "common"), [([], [1], 0), ([1, 2], [1, 2], 2), ([1, 2, 3], [1, 9, 3], 1), ([1], [1, 2], 1)]
)
def test_common_length(a: list[int], b: list[int], common: int) -> None:
    assert common_length(np.array(a, np.int32), np.array(b, np.int32)) == common
