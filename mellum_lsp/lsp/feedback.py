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
from dataclasses import dataclass, field, replace
from functools import partial

from mellum_lsp.completion.outcome import Outcome
from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.feedback.inference import Ghost, Inferred, Watch
from mellum_lsp.feedback.survival import kept_characters, visible_characters
from mellum_lsp.lsp.positions import Encoding, characters_in

log = logging.getLogger(__name__)

REMEMBERED = 1000
_LOOKED_AT_AGAIN = ((30.0, Kind.KEPT_30_S), (300.0, Kind.KEPT_5_MIN))
"""After how many seconds an accepted suggestion's document is looked at again."""
_TYPED_AT_ONCE = 200
"""Characters typed by hand that are recorded as one event."""
_ONCE = (Kind.SHOWN, Kind.ACCEPTED, Kind.DISMISSED)

Record = Callable[[Event], None]


@dataclass(slots=True)
class _Suggestion:
    """One ghost, and what was recorded of it. ``id`` is that of its first item."""

    id: str
    uri: str
    language: str
    offset: int
    outcome: Outcome
    confidence: float
    form: str
    happened: set[Kind] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Given:
    """An item as the client has it; the rest of a ghost into which somebody types is the same suggestion.

    ``inserted`` characters of that were taken before this item was given.
    """

    text: str
    suggestion: _Suggestion
    inserted: int = 0


class Feedback:
    """One session's suggestions. ``record`` keeps events and must not block.

    ``on_dismissed`` hears the id of an item that the user does not want, ``on_noted`` of everything that is
    recorded of a suggestion. ``text_of`` gives the text of an
    open document, None where it is closed; ``later`` calls a function after some seconds.
    """

    def __init__(self, record: Record, now: Callable[[], float] = time.monotonic) -> None:
        self.enabled = True
        self.on_dismissed: Callable[[str], None] = lambda item_id: None
        self.on_noted: Callable[[Kind, str], None] = lambda kind, suggestion: None
        self.text_of: Callable[[str], str | None] = lambda uri: None
        self.later: Callable[[float, Callable[[], None]], object] = lambda seconds, call: None
        self._typed: dict[str, tuple[str, int]] = {}
        """Characters typed in a document (by URI, with its language) and not recorded yet."""
        self._model = ""
        """Whose suggestions were offered last: what is typed is typed beside them."""
        self._record = record
        self._now = now
        self._given: OrderedDict[str, _Given] = OrderedDict()
        self._watches: dict[str, Watch] = {}
        self._client_tells: set[Kind] = set()

    # ---- what is offered, and what its document says of it

    def offered(self, uri: str, language: str, outcome: Outcome, ghost: Ghost | None) -> None:
        """The items of ``outcome`` are given to the client, which shows one of them as ``ghost``."""
        self._model = outcome.model or self._model
        continued = self._follow(uri, ghost) if ghost else None
        for item in outcome.items:
            known = continued if ghost and item.id == ghost.suggestion else None
            offset = ghost.offset if ghost else 0
            suggestion = known or _Suggestion(
                item.id, uri, language, offset, outcome, item.confidence, item.form
            )
            inserted = self._watches[uri].inserted if known else 0
            self._given[item.id] = _Given(item.text, suggestion, inserted)
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

    def typed(self, uri: str, language: str, characters: int) -> None:
        """So many characters were typed by hand in the document."""
        characters += self._typed.get(uri, ("", 0))[1]
        if characters:
            self._typed[uri] = (language, characters)
        if characters >= _TYPED_AT_ONCE:
            self._record_typed(uri)

    def closed(self, uri: str) -> None:
        """The document is gone, and its ghost with it."""
        self.nothing_offered(uri)
        self._watches.pop(uri, None)
        self._record_typed(uri)

    def finish(self) -> None:
        """The session ends: record what was not yet."""
        for uri in self._watches:
            self.nothing_offered(uri)
        for uri in list(self._typed):
            self._record_typed(uri)

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
        taken = kind in (Kind.ACCEPTED, Kind.PARTIALLY_ACCEPTED)
        self._note(kind, given.suggestion, text, given.inserted if taken else 0)
        if kind is Kind.DISMISSED:
            self.on_dismissed(item_id)
        watch = self._watches.get(given.suggestion.uri)
        if watch and taken:
            watch.announce(given.suggestion.id, len(given.text) - len(text))

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

    def _note(self, kind: Kind, suggestion: _Suggestion, text: str, inserted: int = 0) -> None:
        """Record the event, once for what can happen once; ``inserted`` characters came before ``text``."""
        if kind in _ONCE and kind in suggestion.happened:
            return
        suggestion.happened.add(kind)
        log.info("%s: %s", kind.value, suggestion.id)
        self.on_noted(kind, suggestion.id)
        self._keep(self._event(kind, suggestion, inserted + len(text), text.count("\n") + 1))
        if kind is Kind.ACCEPTED:
            for seconds, looked_at in _LOOKED_AT_AGAIN:
                self.later(seconds, partial(self._look_again, suggestion, text, looked_at))

    def _look_again(self, suggestion: _Suggestion, accepted: str, kind: Kind) -> None:
        """Record how much of what was accepted is still in its document, if that is still open."""
        document, of = self.text_of(suggestion.uri), visible_characters(accepted)
        if document is not None and of:
            kept = kept_characters(accepted, document, suggestion.offset)
            self._keep(replace(self._event(kind, suggestion, kept, 1), of_characters=of))

    def _record_typed(self, uri: str) -> None:
        language, characters = self._typed.pop(uri, ("", 0))
        if characters:
            self._keep(Event(Kind.TYPED, "", language, self._model, characters=characters))

    def _event(self, kind: Kind, suggestion: _Suggestion, characters: int, lines: int) -> Event:
        outcome = suggestion.outcome
        return Event(
            kind=kind,
            suggestion=suggestion.id,
            language=suggestion.language,
            model=outcome.model,
            characters=characters,
            lines=lines,
            probability=suggestion.confidence,
            latency_ms=outcome.timings.total_ms,
            source=outcome.source,
            form=suggestion.form,
        )

    def _keep(self, event: Event) -> None:
        if self.enabled:
            self._record(event)
