"""Which KV sequence belongs to which document, and exactly which tokens each holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mellum_lsp.engine.vocabulary import Tokens

WORTH_COPYING = 32
"""Tokens that another sequence must have in common beyond a slot's own, before it replaces the slot's
content."""


class Memory(Protocol):
    """The part of `context.Context` that moves sequences about."""

    @property
    def cells(self) -> int: ...
    @property
    def sequences(self) -> int: ...
    def length(self, sequence: int) -> int: ...
    def cut(self, sequence: int, length: int) -> bool: ...
    def clear(self, sequence: int) -> None: ...
    def copy(self, source: int, target: int, length: int) -> None: ...


@dataclass(slots=True)
class Slot:
    """A sequence; ``tokens`` are exactly those whose KV entries are in the cache."""

    sequence: int
    document: str | None = None
    tokens: Tokens = field(default_factory=lambda: np.empty(0, np.int32))
    used: int = 0


class Slots:
    """Least recently used documents give way. ``can_copy`` is False for models with recurrent layers."""

    def __init__(self, memory: Memory, can_copy: bool = True):
        self._memory = memory
        self._slots = [Slot(sequence) for sequence in range(memory.sequences)]
        self._can_copy = can_copy
        self._clock = 0

    def prepare(self, document: str, prompt: Tokens, room: int) -> Slot:
        """The document's slot, cut back to what it has in common with ``prompt``, with cells for ``room``
        tokens.

        At least the last token of the prompt is cut off: its logits are needed, and only evaluating it again
        gives them. A document without a slot takes the least recently used one, and starts with a copy of the
        sequence that has most in common with it.
        """
        slot = self._slot_of(document)
        self._clock += 1
        slot.used = self._clock
        usable = prompt[:-1]
        common = common_length(slot.tokens, usable)
        donor, offered = self._best_donor(slot, usable)
        if donor is not None and offered >= common + WORTH_COPYING:
            self.forget(slot)
            self._memory.copy(donor.sequence, slot.sequence, offered)
            slot.tokens = usable[:offered]
        else:
            self.cut(slot, common)
        self._make_room(slot, room)
        return slot

    def cut(self, slot: Slot, length: int) -> None:
        """Keep the first ``length`` tokens; none where this kind of cache cannot be cut there."""
        if length == len(slot.tokens):
            return
        slot.tokens = slot.tokens[:length]
        if not self._memory.cut(slot.sequence, length) or self._memory.length(slot.sequence) != length:
            self.forget(slot)

    def extend(self, slot: Slot, tokens: Tokens) -> None:
        """Note that ``tokens`` have been evaluated behind the slot's own."""
        slot.tokens = np.concatenate([slot.tokens, tokens])

    def recheck(self, slot: Slot) -> None:
        """After an abort: forget the slot where the cache does not hold its tokens one by one."""
        if self._memory.length(slot.sequence) != len(slot.tokens):
            self.forget(slot)

    def forget(self, slot: Slot) -> None:
        self._memory.clear(slot.sequence)
        slot.tokens = slot.tokens[:0]

    def forget_others(self, slot: Slot) -> bool:
        """Empty every other slot; False where they were empty already."""
        others = [other for other in self._slots if other is not slot and len(other.tokens)]
        for other in others:
            self._evict(other)
        return bool(others)

    def retire(self, documents: str) -> None:
        """Let the slots of documents whose names begin so be the first to give way; until then they can be
        copied."""
        for slot in self._slots:
            if slot.document is not None and slot.document.startswith(documents):
                slot.used = 0

    def forget_all(self) -> None:
        for slot in self._slots:
            self._evict(slot)

    def _slot_of(self, document: str) -> Slot:
        for slot in self._slots:
            if slot.document == document:
                return slot
        slot = min(self._slots, key=lambda slot: slot.used)
        self._evict(slot)
        slot.document = document
        return slot

    def _best_donor(self, slot: Slot, usable: Tokens) -> tuple[Slot | None, int]:
        best: tuple[Slot | None, int] = (None, 0)
        if self._can_copy:
            for other in self._slots:
                if other is not slot and (offered := common_length(other.tokens, usable)) > best[1]:
                    best = (other, offered)
        return best

    def _make_room(self, slot: Slot, room: int) -> None:
        """Evict others until ``room`` tokens fit; cells that sequences share are counted for each of them."""
        others = sorted((other for other in self._slots if other is not slot), key=lambda other: other.used)
        taken = sum(len(other.tokens) for other in others)
        for other in others:
            if taken + room <= self._memory.cells:
                return
            taken -= len(other.tokens)
            self._evict(other)

    def _evict(self, slot: Slot) -> None:
        self.forget(slot)
        slot.document = None
        slot.used = 0


def common_length(a: Tokens, b: Tokens) -> int:
    """How many tokens two sequences have in common at their beginning."""
    shorter = min(len(a), len(b))
    differing = np.flatnonzero(a[:shorter] != b[:shorter])
    return int(differing[0]) if len(differing) else shorter
