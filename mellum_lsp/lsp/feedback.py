"""The suggestions that a client was given lately, and the record of what became of them.

Only what was suggested here is recorded, by its length and probability: no word of anybody's source is
kept, and nothing that a client calls by an id that was never given.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from mellum_lsp.completion.outcome import Outcome
from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.lsp.positions import Encoding, characters_in

log = logging.getLogger(__name__)

REMEMBERED = 1000

Record = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class _Suggestion:
    text: str
    language: str
    outcome: Outcome


class Feedback:
    """One session's suggestions; ``record`` keeps events and must not block."""

    def __init__(self, record: Record) -> None:
        self.enabled = True
        self._record = record
        self._suggestions: OrderedDict[str, _Suggestion] = OrderedDict()

    def offered(self, outcome: Outcome, language: str) -> None:
        """The items of ``outcome`` are given to the client."""
        for item in outcome.items:
            self._suggestions[item.id] = _Suggestion(item.text, language, outcome)
        while len(self._suggestions) > REMEMBERED:
            self._suggestions.popitem(last=False)

    def happened(self, kind: Kind, suggestion_id: str, length: int | None = None) -> None:
        """Something became of a suggestion; ``length`` UTF-16 units of it were taken, None for all."""
        suggestion = self._suggestions.get(suggestion_id)
        if suggestion is None:
            log.info("%s, but it was not suggested here", kind.value)
            return
        log.info("%s: %s", kind.value, suggestion_id)
        if not self.enabled:
            return
        text = suggestion.text
        if length is not None:
            text = text[: characters_in(text, max(length, 0), Encoding.UTF16)]
        self._record(
            Event(
                kind=kind,
                suggestion=suggestion_id,
                language=suggestion.language,
                model=suggestion.outcome.model,
                characters=len(text),
                lines=text.count("\n") + 1,
                probability=suggestion.outcome.confidence,
                latency_ms=suggestion.outcome.timings.total_ms,
            )
        )
