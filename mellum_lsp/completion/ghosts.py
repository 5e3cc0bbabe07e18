"""The ghosts shown last, and those to come: answered as they are, to whoever types along one too.

A ghost that was judged once keeps its text to the end: it neither flickers nor changes its mind under the
typing hands, and its rest is an answer of microseconds. Everything else that was generated is judged anew
where it is found again (`recall`).
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import replace

from mellum_lsp.completion.outcome import Item, Outcome, TokenCounts
from mellum_lsp.domain import Caret, Trigger

_REMEMBERED = 8


class Ghosts:
    """Knows what is shown where."""

    def __init__(self) -> None:
        self._shown: deque[tuple[Caret, Outcome]] = deque(maxlen=_REMEMBERED)

    def add(self, caret: Caret, outcome: Outcome) -> None:
        """The items of ``outcome`` are shown at ``caret``, or would be."""
        if outcome.items:
            self._shown.appendleft((caret, outcome))

    def rest_at(self, caret: Caret) -> Outcome | None:
        """What is left at ``caret`` of a ghost of which the user has typed a part, or nothing yet.

        None where anything else has changed: brackets that an editor closed by itself are for the rules.
        """
        if caret.trigger is Trigger.INVOKED:
            return None
        for origin, outcome in self._shown:
            typed = caret.text[origin.offset : caret.offset]
            if caret.offset < origin.offset or not _is_typed(typed, origin, caret):
                continue
            for item in outcome.items if typed else outcome.items[:1]:
                if item.text.startswith(typed) and item.text != typed:
                    return _rest(outcome, item, len(typed))
        return None

    def clear(self) -> None:
        """Nothing that was shown counts any more."""
        self._shown.clear()


def _is_typed(typed: str, origin: Caret, caret: Caret) -> bool:
    """Whether ``caret`` stands in the document of ``origin`` with ``typed`` there and no other change."""
    begin = origin.offset
    return (
        (caret.document, caret.path) == (origin.document, origin.path)
        and len(caret.text) == len(origin.text) + len(typed)
        and caret.text[:begin] == origin.text[:begin]
        and caret.text[caret.offset :] == origin.text[begin:]
    )


def _rest(outcome: Outcome, item: Item, typed: int) -> Outcome:
    rest = replace(item, id=secrets.token_hex(8), text=item.text[typed:])
    prompt = outcome.tokens.prompt
    return replace(
        outcome,
        items=(rest,),
        confidence=item.confidence,
        source="prefetch" if outcome.source == "prefetch" else "cache",
        tokens=TokenCounts(prompt=prompt, reused=prompt),
    )
