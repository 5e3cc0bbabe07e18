"""Slots note exactly what the cache holds, whatever kind of cache it is."""

from __future__ import annotations

import numpy as np
import pytest

from mellum_lsp.engine.slots import Slot, Slots, common_length


class FakeMemory:
    """A cache of lengths; ``cuttable`` False is what a recurrent model has."""

    cells = 100
    sequences = 3

    def __init__(self, cuttable: bool = True):
        self.lengths = [0, 0, 0]
        self.cuttable = cuttable
        self.copies: list[tuple[int, int, int]] = []

    def length(self, sequence: int) -> int:
        return self.lengths[sequence]

    def cut(self, sequence: int, length: int) -> bool:
        if self.cuttable:
            self.lengths[sequence] = length
        return self.cuttable

    def clear(self, sequence: int) -> None:
        self.lengths[sequence] = 0

    def copy(self, source: int, target: int, length: int) -> None:
        assert self.lengths[target] == 0
        self.copies.append((source, target, length))
        self.lengths[target] = length


def tokens(*ranges: tuple[int, int]) -> np.ndarray:
    return np.concatenate([np.arange(a, b, dtype=np.int32) for a, b in ranges])


def evaluate(slots: Slots, memory: FakeMemory, document: str, prompt: np.ndarray, room: int = 0) -> Slot:
    """What a decoder does: prepare, then evaluate the rest."""
    slot = slots.prepare(document, prompt, room or len(prompt))
    slots.extend(slot, prompt[len(slot.tokens) :])
    memory.lengths[slot.sequence] = len(slot.tokens)
    return slot


def test_a_document_keeps_its_sequence_and_what_is_common() -> None:
    memory = FakeMemory()
    slots = Slots(memory)
    first = evaluate(slots, memory, "a", tokens((0, 20)))
    again = slots.prepare("a", tokens((0, 10), (50, 60)), 20)
    assert again is first
    assert again.tokens.tolist() == list(range(10))
    assert memory.lengths[again.sequence] == 10


def test_the_last_token_of_a_prompt_is_always_evaluated() -> None:
    memory = FakeMemory()
    slots = Slots(memory)
    evaluate(slots, memory, "a", tokens((0, 20)))
    assert len(slots.prepare("a", tokens((0, 20)), 20).tokens) == 19


def test_a_cache_that_cannot_be_cut_is_evaluated_anew() -> None:
    memory = FakeMemory(cuttable=False)
    slots = Slots(memory, can_copy=False)
    evaluate(slots, memory, "a", tokens((0, 20)))
    assert len(slots.prepare("a", tokens((0, 30)), 30).tokens) == 20, "an appended prompt needs no cut"
    assert len(slots.prepare("a", tokens((0, 10), (50, 60)), 20).tokens) == 0
    assert memory.lengths == [0, 0, 0]


def test_the_least_recently_used_document_gives_way() -> None:
    memory = FakeMemory()
    slots = Slots(memory)
    used = {name: evaluate(slots, memory, name, tokens((n, n + 10))) for n, name in enumerate("abc")}
    evaluate(slots, memory, "a", tokens((0, 10)))
    assert evaluate(slots, memory, "d", tokens((70, 80))).sequence == used["b"].sequence
    assert len(slots.prepare("a", tokens((0, 10)), 10).tokens) == 9


def test_a_full_cache_evicts_others_but_not_more_than_needed() -> None:
    memory = FakeMemory()
    slots = Slots(memory)
    evaluate(slots, memory, "a", tokens((0, 40)))
    evaluate(slots, memory, "b", tokens((100, 130)))
    evaluate(slots, memory, "c", tokens((200, 220)), room=60)
    assert memory.lengths == [0, 30, 20]


def test_a_new_document_begins_with_a_copy_of_shared_context() -> None:
    memory = FakeMemory()
    slots = Slots(memory)
    evaluate(slots, memory, "a", tokens((0, 45)))
    slot = slots.prepare("b", tokens((0, 40), (70, 75)), 45)
    assert memory.copies == [(0, 1, 40)]
    assert slot.tokens.tolist() == list(range(40))


@pytest.mark.parametrize(("shared", "can_copy"), [(31, True), (40, False)])
def test_it_is_not_copied_where_too_short_or_impossible(shared: int, can_copy: bool) -> None:
    memory = FakeMemory()
    slots = Slots(memory, can_copy=can_copy)
    evaluate(slots, memory, "a", tokens((0, 45)))
    assert len(slots.prepare("b", tokens((0, shared), (70, 75)), 45).tokens) == 0
    assert memory.copies == []


def test_after_an_abort_the_slot_is_what_the_cache_says() -> None:
    memory = FakeMemory()
    slots = Slots(memory)
    slot = evaluate(slots, memory, "a", tokens((0, 20)))
    slots.recheck(slot)
    assert len(slot.tokens) == 20
    memory.lengths[slot.sequence] = 17
    slots.recheck(slot)
    assert (len(slot.tokens), memory.lengths[slot.sequence]) == (0, 0)


@pytest.mark.parametrize(
    ("a", "b", "common"), [([], [1], 0), ([1, 2], [1, 2], 2), ([1, 2, 3], [1, 9, 3], 1), ([1], [1, 2], 1)]
)
def test_common_length(a: list[int], b: list[int], common: int) -> None:
    assert common_length(np.array(a, np.int32), np.array(b, np.int32)) == common
