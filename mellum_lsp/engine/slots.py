"""Which KV sequence belongs to which document, and exactly which tokens each holds.

Every sequence has cells of its own, so what other documents hold makes no token slower. That makes them few:
what a sequence held is parked (`states`) when another document needs it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mellum_lsp.engine.states import FEWEST_TOKENS, Bytes, States, common_length
from mellum_lsp.engine.vocabulary import Tokens

_QUICK_SECONDS = 0.02
"""So long may it take to save a state in a pause of a few seconds: somebody may ask just then."""


class Memory(Protocol):
    """The part of `context.Context` that cuts sequences."""

    @property
    def sequences(self) -> int: ...
    def length(self, sequence: int) -> int: ...
    def cut(self, sequence: int, length: int) -> bool: ...
    def clear(self, sequence: int) -> None: ...


@dataclass(slots=True)
class Slot:
    """A sequence; ``tokens`` are exactly those whose KV entries are in the cache.

    ``written`` says that the disk holds them, or need not.
    """

    sequence: int
    document: str | None = None
    tokens: Tokens = field(default_factory=lambda: np.empty(0, np.int32))
    used: int = 0
    written: bool = True


class Slots:
    """Least recently used documents give way. ``can_cut`` is False for models with recurrent layers: of what
    they have evaluated, nothing can be taken back."""

    def __init__(self, memory: Memory, states: States, can_cut: bool = True):
        self._memory = memory
        self._states = states
        self._slots = [Slot(sequence) for sequence in range(memory.sequences)]
        self._can_cut = can_cut
        self._clock = 0

    def prepare(self, document: str, prompt: Tokens) -> Slot:
        """The document's slot, cut back to what it has in common with ``prompt``.

        At least the last token of the prompt is cut off: its logits are needed, and only evaluating it again
        gives them. Where another sequence or a parked state has so much more in common that bringing it here
        is faster than evaluating, it is brought here.
        """
        slot = self._slot_for(document)
        self._clock += 1
        slot.used = self._clock
        usable = prompt[:-1]
        common = common_length(slot.tokens, usable)
        if not self._can_cut and common < len(slot.tokens):
            common = 0
        better = self._better(slot, usable, common)
        if better or slot.document != document:
            self._states.park(slot.sequence, slot.tokens)
        slot.document = document
        slot.written = False
        if better:
            self._restore(slot, *better)
        else:
            self.cut(slot, common)
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

    def retire(self, documents: str) -> None:
        """Let the slots of documents whose names begin so be the first to give way; until then others may
        have use of what they hold."""
        for slot in self._slots:
            if slot.document is not None and slot.document.startswith(documents):
                slot.used = 0

    def forget_all(self) -> None:
        """After trouble of unknown kind: no sequence is trusted any more."""
        for slot in self._slots:
            self.forget(slot)
            slot.document = None
            slot.used = 0

    # ---- states that outlive the process

    def has_unwritten(self) -> bool:
        """Whether `write_one` has something to do."""
        return self._states.writes and any(not slot.written for slot in self._slots)

    def write_one(self, hurried: bool) -> None:
        """Let the state that was used last outlive this process; ``hurried`` leaves those that take long."""
        slot = max((slot for slot in self._slots if not slot.written), key=lambda slot: slot.used)
        slot.written = True
        if not hurried or self._states.seconds_to_save(slot.sequence) <= _QUICK_SECONDS:
            self._states.write(slot.sequence, slot.tokens)

    def write_all(self, seconds: float) -> None:
        """Before the end: everything that is worth it, if it is done in about so long."""
        self._states.write_parked()
        for slot in sorted(self._slots, key=lambda slot: slot.used):
            if len(slot.tokens):
                self._states.write(slot.sequence, slot.tokens)
        self._states.finish_writing(seconds)

    # ---- inside

    def _slot_for(self, document: str) -> Slot:
        """The document's own, or the one that is least recently used."""
        own = (slot for slot in self._slots if slot.document == document)
        return next(own, None) or min(self._slots, key=lambda slot: slot.used)

    def _better(self, slot: Slot, usable: Tokens, common: int) -> tuple[Bytes, Tokens, int] | None:
        """A state from elsewhere that begins with more of ``usable`` than the slot does, its tokens, and how
        many count; None where there is none or bringing it here does not pay."""
        least = common + FEWEST_TOKENS
        donor, shared = self._best_donor(slot, usable)
        state, parked = self._states.best(usable)
        if state and parked >= max(shared, least) and self._states.pays_to_restore(state, parked - common):
            data = self._states.data_of(state)
            return None if data is None else (data, state.tokens, parked)
        if (
            donor
            and shared >= least
            and self._states.pays_to_copy(donor.sequence, donor.tokens, shared - common)
        ):
            return self._states.save(donor.sequence), donor.tokens, shared
        return None

    def _restore(self, slot: Slot, data: Bytes, tokens: Tokens, length: int) -> None:
        self.forget(slot)
        if self._states.restore(data, slot.sequence):
            slot.tokens = tokens
            self.cut(slot, length)
        else:
            self.forget(slot)

    def _best_donor(self, slot: Slot, usable: Tokens) -> tuple[Slot | None, int]:
        best: tuple[Slot | None, int] = (None, 0)
        for other in self._slots:
            common = common_length(other.tokens, usable)
            if other is not slot and common > best[1] and (self._can_cut or common == len(other.tokens)):
                best = (other, common)
        return best
