"""The suggestions that a client was given lately, and the record of what became of them.

Only what was suggested here is recorded, by its length and probability: no word of anybody's source is
kept, and nothing that a client calls by an id that was never given. What a client does not tell is inferred
from its documents; as soon as it tells of something itself, that is believed instead.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mellum_lsp.completion.outcome import Outcome
from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.feedback.inference import Ghost, Inferred, Watch
from mellum_lsp.lsp.positions import Encoding, characters_in

log = logging.getLogger(__name__)

REMEMBERED = 1000
_ONCE = (Kind.SHOWN, Kind.ACCEPTED, Kind.DISMISSED)

Record = Callable[[Event], None]


@dataclass(slots=True)
class _Suggestion:
    """One ghost, and what was recorded of it. ``id`` is that of its first item."""

    id: str
    language: str
    outcome: Outcome
    confidence: float
    happened: set[Kind] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Given:
    """An item as the client has it; the rest of a ghost into which somebody types is the same suggestion."""

    text: str
    suggestion: _Suggestion


class Feedback:
    """One session's suggestions. ``record`` keeps events and must not block.

    ``on_dismissed`` hears the id of an item that the user does not want.
    """

    def __init__(self, record: Record, now: Callable[[], float] = time.monotonic) -> None:
        self.enabled = True
        self.on_dismissed: Callable[[str], None] = lambda item_id: None
        self._record = record
        self._now = now
        self._given: OrderedDict[str, _Given] = OrderedDict()
        self._watches: dict[str, Watch] = {}
        self._client_tells: set[Kind] = set()

    # ---- what is offered, and what its document says of it

    def offered(self, uri: str, language: str, outcome: Outcome, ghost: Ghost | None) -> None:
        """The items of ``outcome`` are given to the client, which shows one of them as ``ghost``."""
        continued = self._follow(uri, ghost) if ghost else None
        for item in outcome.items:
            known = continued if ghost and item.id == ghost.suggestion else None
            suggestion = known or _Suggestion(item.id, language, outcome, item.confidence)
            self._given[item.id] = _Given(item.text, suggestion)
        while len(self._given) > REMEMBERED:
            self._given.popitem(last=False)

    def nothing_offered(self, uri: str) -> None:
        """Nothing is shown in the document any more."""
        if watch := self._watches.get(uri):
            self._infer(watch.gone(self._now()))

    def changed(self, uri: str, text: str) -> None:
        """The document's text is ``text`` now."""
        if watch := self._watches.get(uri):
            self._infer(watch.change(text, self._now()))

    def closed(self, uri: str) -> None:
        """The document is gone, and its ghost with it."""
        self.nothing_offered(uri)
        self._watches.pop(uri, None)

    # ---- what the client says

    def happened(self, kind: Kind, item_id: str, length: int | None = None) -> None:
        """Something became of an item; ``length`` UTF-16 units of it were taken, None for all."""
        given = self._given.get(item_id)
        if given is None:
            log.info("%s, but it was not suggested here", kind.value)
            return
        self._client_tells.add(kind)
        text = given.text
        if length is not None:
            text = text[: characters_in(text, max(length, 0), Encoding.UTF16)]
        self._note(kind, given.suggestion, text)
        if kind is Kind.DISMISSED:
            self.on_dismissed(item_id)

    # ---- what is kept

    def _follow(self, uri: str, ghost: Ghost) -> _Suggestion | None:
        """Watch the ghost from now on; the suggestion whose rest it is, if any."""
        suggestion, happened = self._watches.setdefault(uri, Watch()).offer(ghost, self._now())
        self._infer(happened)
        given = self._given.get(suggestion)
        return given.suggestion if given else None

    def _infer(self, happened: Iterable[Inferred]) -> None:
        for kind, item_id, characters in happened:
            given = self._given.get(item_id)
            if given is None or kind in self._client_tells:
                continue
            self._note(kind, given.suggestion, given.text[:characters])
            if kind is Kind.DISMISSED:
                self.on_dismissed(item_id)

    def _note(self, kind: Kind, suggestion: _Suggestion, text: str) -> None:
        """Record the event, once for what can happen only once."""
        if kind in _ONCE and kind in suggestion.happened:
            return
        suggestion.happened.add(kind)
        log.info("%s: %s", kind.value, suggestion.id)
        if not self.enabled:
            return
        outcome = suggestion.outcome
        self._record(
            Event(
                kind=kind,
                suggestion=suggestion.id,
                language=suggestion.language,
                model=outcome.model,
                characters=len(text),
                lines=text.count("\n") + 1,
                probability=suggestion.confidence,
                latency_ms=outcome.timings.total_ms,
                source=outcome.source,
            )
        )
