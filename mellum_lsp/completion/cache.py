"""Earlier generations, found again when the user types along them, goes back or accepts their beginning.

Kept is what the model said, not what was shown: whether it is shown again is judged anew at every caret.
An entry is found by the text around the place where it was generated, which for a typist is a few characters
behind the caret. Closers directly behind the caret are not part of the key, as they are not of the prompt, so
that an entry survives the brackets an editor inserts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.stop import Stop
from mellum_lsp.domain import Caret, ScoredChunk
from mellum_lsp.prompt.windows import closers_at

CAPACITY = 250
LOOK_BACK_CHARACTERS = 128
BEFORE_CHARACTERS = 256
AFTER_CHARACTERS = 128


class Anchor(NamedTuple):
    """Where a generation began, told by the text around it: the same after scrolling or edits elsewhere."""

    document: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A generation as far as it went, where its draft ended, and the context it was made with.

    ``min_joint_probability`` is the bar under which its decoding stopped; ``from_micro_plan`` says that the
    model was shown no more than a few lines; ``prefetched`` that it was made before anybody asked. ``rank``
    is 0 for what the model finds most likely, above that for another candidate.
    """

    generated: Generated
    end: Stop | None = None
    min_joint_probability: float = 0.0
    chunks: tuple[ScoredChunk, ...] = ()
    prompt_tokens: int = 0
    from_micro_plan: bool = False
    prefetched: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry, and what of it the user already typed."""

    entry: Entry
    typed: str

    @property
    def rest(self) -> Generated:
        return self.entry.generated.after(len(self.typed))


def anchor_of(caret: Caret) -> Anchor:
    """The anchor of a generation that begins at ``caret``."""
    before = caret.text[max(0, caret.offset - BEFORE_CHARACTERS) : caret.offset]
    return Anchor(caret.document or caret.path, before, _after(caret))


def _after(caret: Caret) -> str:
    behind = caret.offset + len(closers_at(caret.text, caret.offset))
    return caret.text[behind : behind + AFTER_CHARACTERS]


class GenerationCache:
    """The least recently used of more than ``capacity`` places is forgotten with all its candidates."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[Anchor, dict[int, Entry]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, anchor: Anchor, entry: Entry) -> None:
        """Keep ``entry``; one of its rank at the same place is replaced unless it knows more."""
        candidates = self._entries.setdefault(anchor, {})
        known = candidates.get(entry.rank)
        if known and _knows_more(known, entry):
            return
        candidates[entry.rank] = entry
        self._entries.move_to_end(anchor)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def find(self, caret: Caret) -> list[Hit]:
        """What continues the text before ``caret``, nearest generation first; exact matches only.

        Into candidates of a higher rank somebody must have typed: they are no answer by themselves.
        """
        hits: list[Hit] = []
        document, after = caret.document or caret.path, _after(caret)
        text, offset = caret.text, caret.offset
        for begin in range(offset, max(-1, offset - LOOK_BACK_CHARACTERS - 1), -1):
            anchor = Anchor(document, text[max(0, begin - BEFORE_CHARACTERS) : begin], after)
            candidates = self._entries.get(anchor)
            if candidates is None:
                continue
            typed = text[begin:offset]
            found = [
                Hit(entry, typed)
                for rank, entry in sorted(candidates.items())
                if (typed or not rank) and entry.generated.text.startswith(typed)
            ]
            if found:
                self._entries.move_to_end(anchor)
                hits += found
        return hits

    def candidates(self, caret: Caret) -> list[Entry]:
        """What else was generated at ``caret`` besides the most likely, in the order of their ranks."""
        known = self._entries.get(anchor_of(caret), {})
        return [entry for rank, entry in sorted(known.items()) if rank]

    def clear(self) -> None:
        self._entries.clear()


def _knows_more(known: Entry, new: Entry) -> bool:
    """Whether the older entry holds all of the newer one's text and more."""
    old, text = known.generated.text, new.generated.text
    lower_bar = known.min_joint_probability <= new.min_joint_probability
    return lower_bar and len(old) > len(text) and old.startswith(text)
