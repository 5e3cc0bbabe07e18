"""Memory of dismissed suggestions: what was refused is not offered again at the same place for a while."""

from __future__ import annotations

import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from rapidfuzz.distance import LCSseq

from mellum_lsp.completion.judge import Verdict
from mellum_lsp.completion.outcome import Step
from mellum_lsp.completion.reasons import DISMISSED_BEFORE
from mellum_lsp.domain import Caret, Trigger

HIDDEN_SECONDS = 30.0
CONTAINED_SHARE = 0.8
"""A draft of whose words and signs more than this stand in a dismissed one, in order, is the same idea."""

_REMEMBERED_OFFERS = 200
_REMEMBERED_REFUSALS = 50
_BEFORE_CHARACTERS = 256
_BACK_CHARACTERS = 64
"""Who deletes no more than this from the place of a refusal is still there."""

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class _Offer:
    """``text`` behind ``before``, the last characters in front of the caret; ``whole`` if these are all."""

    document: str
    before: str
    whole: bool
    text: str

    def seen_from_here(self, before: str, text: str) -> str | None:
        """What another ``text`` behind ``before`` says from this place on; None where it is another place.

        It is this place also where a part of the offer has been typed, or something in front deleted.
        """
        for typed in range(len(self.text)):
            if self._ends(before, self.before + self.text[:typed]):
                return text
        for deleted in range(1, min(len(self.before), _BACK_CHARACTERS) + 1):
            gone = self.before[-deleted:]
            if text.startswith(gone) and self._ends(before, self.before[:-deleted]):
                return text[deleted:]
        return None

    def _ends(self, before: str, end: str) -> bool:
        return before == end if self.whole else before.endswith(end)


class Rejections:
    """Knows what was offered by its id. ``now`` tells the time in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._offers: OrderedDict[str, _Offer] = OrderedDict()
        self._refused: deque[tuple[float, _Offer]] = deque(maxlen=_REMEMBERED_REFUSALS)

    def offered(self, item_id: str, caret: Caret, text: str) -> None:
        """``text`` was offered at ``caret`` and may be dismissed from now on."""
        before = caret.text[max(0, caret.offset - _BEFORE_CHARACTERS) : caret.offset]
        self._offers[item_id] = _Offer(_name(caret), before, len(before) == caret.offset, text)
        while len(self._offers) > _REMEMBERED_OFFERS:
            self._offers.popitem(last=False)

    def dismiss(self, item_id: str) -> None:
        """The user does not want the item; one that is not known (any more) is ignored."""
        if offer := self._offers.get(item_id):
            self._refused.append((self._now(), offer))

    def filter(self, caret: Caret, verdict: Verdict) -> Verdict:
        """``verdict``, or silence in place of what was dismissed here a moment ago, unless asked for."""
        if verdict.reason or caret.trigger is Trigger.INVOKED or not self.hides(caret, verdict.text):
            return verdict
        step = Step("dismissed before", verdict.text, "")
        return replace(verdict, text="", reason=DISMISSED_BEFORE, steps=(*verdict.steps, step))

    def hides(self, caret: Caret, text: str) -> bool:
        """Whether ``text`` equals, or is mostly contained in, what was dismissed here a moment ago."""
        while self._refused and self._refused[0][0] <= self._now() - HIDDEN_SECONDS:
            self._refused.popleft()
        if not self._refused:
            return False
        longest = _BEFORE_CHARACTERS + max(len(offer.text) for _, offer in self._refused)
        before = caret.text[max(0, caret.offset - longest) : caret.offset]
        return any(
            offer.document == _name(caret)
            and (seen := offer.seen_from_here(before, text)) is not None
            and is_contained(seen, offer.text)
            for _, offer in self._refused
        )


def is_contained(text: str, dismissed: str) -> bool:
    """Whether ``text`` is a part of ``dismissed``, or more than `CONTAINED_SHARE` of its tokens are."""
    if text.strip() in dismissed:
        return True
    tokens = _TOKEN.findall(text)
    common = LCSseq.similarity(tokens, _TOKEN.findall(dismissed))
    return bool(common > CONTAINED_SHARE * len(tokens))


def _name(caret: Caret) -> str:
    return caret.document or caret.path
