"""What the editor did with its suggestions, read from its documents, against what it told of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lsprotocol import types

from mellum_lsp.conformance.editors.finding import Finding, Promise
from mellum_lsp.conformance.editors.texts import Texts
from mellum_lsp.conformance.recordings import Entry
from mellum_lsp.feedback.inference import TYPED_AT_ONCE, Ghost
from mellum_lsp.lsp.documents import Document
from mellum_lsp.lsp.positions import Encoding, characters_in

_ASKED = ("textDocument/inlineCompletion", "textDocument/completion")
_ACCEPTED, _PARTLY = "mellum.accepted", "mellum.partiallyAccepted"
_SHOWN, _DISMISSED = "mellum.shown", "mellum.dismissed"


@dataclass(slots=True)
class _Offer:
    """An item at its place. ``taken`` characters of it stand in the document; None where it is gone."""

    id: str
    uri: str
    ghost: Ghost
    taken: int | None = 0
    accepted: Entry | None = None
    """The change that brought all the rest of it at once."""
    partly: Entry | None = None
    told: bool = False

    @property
    def end(self) -> str:
        """The document with all of the item in it."""
        return self.ghost.before + self.ghost.text + self.ghost.after


class Suggestions:
    """Judges the life of suggestions. ``texts`` has seen every message before."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._accepts = Promise("accept", "An accepted item's command is run")
        self._inserted = Promise(
            "inserted", "What was told accepted stands in the document as it was suggested"
        )
        self._partly = Promise("partial", "Taking a part is told with the length taken so far")
        self._shown = Promise("shown", "Shown items are told", optional=True)
        self._dismissed = Promise("dismissed", "Dismissed items are told", optional=True)
        self._caret = Promise("caret", "The resting caret is told", optional=True)
        self._requests: dict[Any, tuple[str, str, str]] = {}
        """Of each open request: its document, that one's text, and its method."""
        self._offers: dict[str, _Offer] = {}
        self._claims: list[tuple[Entry, _Offer, int | None]] = []
        """What was told and is not yet to be seen in the document: the change may come behind it."""

    def see(self, entry: Entry) -> None:
        params = entry.params if isinstance(entry.params, dict) else {}
        if entry.sender == "server":
            self._answered(entry)
        elif entry.method in _ASKED:
            self._note_request(entry, params)
        elif entry.method == "textDocument/didChange":
            self._changed(entry, _uri(params))
        elif entry.method == "workspace/executeCommand":
            self._told(entry, params.get("command"), params.get("arguments") or [])
        elif entry.method == "textDocument/didShowCompletion":
            self._told(entry, _SHOWN, _arguments(params))
        elif entry.method == "textDocument/didPartiallyAcceptCompletion":
            self._told(entry, _PARTLY, [*_arguments(params)[:1], params.get("acceptedLength")])
        elif entry.method == "mellum/didMoveCaret":
            self._caret.kept()

    # ---- what is offered

    def _note_request(self, entry: Entry, params: dict[str, Any]) -> None:
        document = self._texts.documents.get(_uri(params))
        if document:
            self._requests[entry.id] = document.uri, document.text, entry.method

    def _answered(self, entry: Entry) -> None:
        if not entry.is_reply or entry.id not in self._requests:
            return
        uri, text, _ = self._requests.pop(entry.id)
        result = (entry.message or {}).get("result")
        document = Document(uri, "", 0, text, self._texts.documents.encoding)
        for item in result.get("items", []) if isinstance(result, dict) else []:
            if offer := _offer(document, item):
                self._offers[offer.id] = offer
                self._follow(entry, offer)

    # ---- what the document says

    def _changed(self, entry: Entry, uri: str) -> None:
        for offer in self._offers.values():
            if offer.uri == uri:
                self._follow(entry, offer)
        waiting, self._claims = self._claims, []
        for claimed, offer, length in waiting:
            self._judge(claimed, offer, length, last=True)

    def _follow(self, entry: Entry, offer: _Offer) -> None:
        document = self._texts.documents.get(offer.uri)
        if document is None or offer.taken is None:
            return
        taken = offer.ghost.taken(document.text)
        before, offer.taken = offer.taken, taken if taken is not None and taken >= 0 else None
        if offer.taken is None or offer.taken - before <= TYPED_AT_ONCE:
            return
        if offer.taken == len(offer.ghost.text):
            offer.accepted = entry
        else:
            offer.partly = entry

    # ---- what the editor says

    def _told(self, entry: Entry, command: Any, arguments: list[Any]) -> None:
        offer = self._offers.get(arguments[0]) if arguments and isinstance(arguments[0], str) else None
        if offer is None:
            return
        if command == _SHOWN:
            self._shown.kept()
        elif command == _DISMISSED:
            self._dismissed.kept()
        elif command in (_ACCEPTED, _PARTLY):
            length = arguments[1] if command == _PARTLY and len(arguments) > 1 else None
            offer.told = True
            self._judge(entry, offer, length if isinstance(length, int) else None, last=False)

    def _judge(self, entry: Entry, offer: _Offer, length: int | None, *, last: bool) -> None:
        """Whether so much of the item (None: all) stands in the document; looked at again after a change."""
        document = self._texts.documents.get(offer.uri)
        taken = offer.ghost.taken(document.text) if document else None
        text = offer.ghost.text
        wanted = len(text) if length is None else characters_in(text, length, Encoding.UTF16)
        promise = self._inserted if length is None else self._partly
        if taken == wanted:
            promise.kept()
        elif last:
            promise.broken(
                entry, f"{wanted} of {len(text)} characters of {text!r} were told taken, {taken} stand there"
            )
        else:
            self._claims.append((entry, offer, length))

    def findings(self) -> Iterator[Finding]:
        for entry, offer, length in self._claims:
            self._judge(entry, offer, length, last=True)
        for entry, offers in self._by_change("accepted"):
            told = any(self._is_told(offer) for offer in offers)
            self._accepts.require(told, entry, f"{offers[0].ghost.text!r} was accepted, and not told")
        for entry, offers in self._by_change("partly"):
            if not any(self._is_told(offer) for offer in offers):
                self._partly.broken(entry, f"a part of {offers[0].ghost.text!r} was taken, and not told")
        promises = (self._accepts, self._inserted, self._partly, self._shown, self._dismissed, self._caret)
        for promise in promises:
            yield promise.finding()

    def _by_change(self, what: Literal["accepted", "partly"]) -> list[tuple[Entry, list[_Offer]]]:
        """The offers of which one change brought the rest, or a part: a ghost typed into is offered anew."""
        changes: dict[float, tuple[Entry, list[_Offer]]] = {}
        for offer in self._offers.values():
            entry: Entry | None = getattr(offer, what)
            if entry:
                changes.setdefault(entry.at, (entry, []))[1].append(offer)
        return list(changes.values())

    def _is_told(self, offer: _Offer) -> bool:
        """Whether the editor told of the item, or of another that ends in the same document."""
        return any(other.told and other.end == offer.end for other in self._offers.values())


def _uri(params: dict[str, Any]) -> str:
    document = params.get("textDocument")
    return str(document.get("uri")) if isinstance(document, dict) else ""


def _arguments(params: dict[str, Any]) -> list[Any]:
    item = params.get("item")
    command = item.get("command") if isinstance(item, dict) else None
    arguments = command.get("arguments") if isinstance(command, dict) else None
    return arguments if isinstance(arguments, list) else []


def _offer(document: Document, item: dict[str, Any]) -> _Offer | None:
    """The item at its place in the document; None where that cannot be told."""
    edit = item.get("textEdit") or {"range": item.get("range"), "newText": item.get("insertText")}
    ids = _arguments({"item": item})
    span, text = edit.get("range"), edit.get("newText")
    if not ids or not isinstance(span, dict) or not isinstance(text, str):
        return None
    start, end = (document.place(types.Position(**span[name])) for name in ("start", "end"))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    typed = document.text[start.offset : end.offset]
    common = 0
    if item.get("textEdit") and text.startswith(item.get("filterText") or ""):
        common = len(item.get("filterText") or "")  # the typed word, which the edit writes again
    ghost = Ghost(ids[0], text[common:], start.offset + common, len(typed) - common, document.text)
    return _Offer(ids[0], document.uri, ghost)
