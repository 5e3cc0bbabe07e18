"""Memory of dismissed suggestions: what was refused is not offered again at the same place for a while."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

from mellum_lsp.domain import Caret

HIDDEN_SECONDS = 30.0
CONTAINED_SHARE = 0.8
"""A draft of whose words and signs more than this stand in a dismissed one, in order, is the same idea."""

_REMEMBERED_OFFERS = 200
_REMEMBERED_DISMISSALS = 50
_ABOVE_CHARACTERS = 256
_TOKEN = re.compile(r"\w+|[^\w\s]")


class _Place(NamedTuple):
    """A line, known by what stands above it: typing on it, or going back, is still the same place."""

    document: str
    above: str


@dataclass(frozen=True, slots=True)
class _Dismissed:
    text: str
    at: float


class Rejections:
    """Knows what was offered by its id. ``now`` tells the time in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._offers: OrderedDict[str, tuple[_Place, str]] = OrderedDict()
        self._dismissed: OrderedDict[_Place, list[_Dismissed]] = OrderedDict()

    def offered(self, item_id: str, caret: Caret, text: str) -> None:
        """``text`` was offered at ``caret`` and may be dismissed from now on."""
        self._offers[item_id] = _place_of(caret), text
        while len(self._offers) > _REMEMBERED_OFFERS:
            self._offers.popitem(last=False)

    def dismiss(self, item_id: str) -> None:
        """The user does not want the item; one that is not known (any more) is ignored."""
        offer = self._offers.get(item_id)
        if offer is None:
            return
        place, text = offer
        self._dismissed.setdefault(place, []).append(_Dismissed(text, self._now()))
        self._dismissed.move_to_end(place)
        while len(self._dismissed) > _REMEMBERED_DISMISSALS:
            self._dismissed.popitem(last=False)

    def hides(self, caret: Caret, text: str) -> bool:
        """Whether ``text`` equals, or is mostly contained in, what was dismissed here a moment ago."""
        if not self._dismissed:
            return False
        place = _place_of(caret)
        oldest = self._now() - HIDDEN_SECONDS
        fresh = [dismissed for dismissed in self._dismissed.get(place, ()) if dismissed.at > oldest]
        if fresh:
            self._dismissed[place] = fresh
        else:
            self._dismissed.pop(place, None)
        return any(is_contained(text, dismissed.text) for dismissed in fresh)


def is_contained(text: str, dismissed: str) -> bool:
    """Whether ``text`` is a part of ``dismissed``, or more than `CONTAINED_SHARE` of its tokens are."""
    if text.strip() in dismissed:
        return True
    tokens = _TOKEN.findall(text)
    common = LCSseq.similarity(tokens, _TOKEN.findall(dismissed))
    return bool(common > CONTAINED_SHARE * len(tokens))


def _place_of(caret: Caret) -> _Place:
    line_start = caret.text.rfind("\n", 0, caret.offset) + 1
    above = caret.text[max(0, line_start - _ABOVE_CHARACTERS) : line_start]
    return _Place(caret.document or caret.path, above)
