"""An editor's messages as such: their form, their order, their ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mellum_lsp.conformance.editors.finding import Finding, Promise
from mellum_lsp.conformance.recordings import Entry


class Messages:
    """Judges what JSON-RPC and the life of a session demand."""

    def __init__(self) -> None:
        self._form = Promise("messages", "Every message is one of JSON-RPC 2.0")
        self._begin = Promise("beginning", "The session begins with initialize, then initialized")
        self._end = Promise("end", "The session ends with shutdown, then exit")
        self._ids = Promise("ids", "No id is used while a request with it is under way")
        self._replies = Promise("replies", "Every request of the server gets exactly one reply")
        self._cancels = Promise("cancels", "What is cancelled was asked before", optional=True)
        self._last: Entry | None = None
        self._methods: list[str] = []
        self._under_way: set[Any] = set()
        self._ever: set[Any] = set()
        self._asked: dict[Any, Entry] = {}

    def see(self, entry: Entry) -> None:
        self._last = entry
        if entry.sender == "server":
            self._under_way.discard(entry.id if entry.is_reply else None)
            if entry.is_request:
                self._asked[entry.id] = entry
            return
        message = entry.message or {}
        is_message = message.get("jsonrpc") == "2.0" and (entry.method or entry.is_reply)
        self._form.require(is_message, entry, f"{entry.body[:80]!r}")
        if entry.is_reply:
            known = self._asked.pop(entry.id, None)
            self._replies.require(known, entry, f"a reply to {entry.id!r}, which is not open")
        elif entry.method:
            self._method(entry)

    def _method(self, entry: Entry) -> None:
        self._methods.append(entry.method)
        if len(self._methods) <= 2:
            expected = ("initialize", "initialized")[len(self._methods) - 1]
            self._begin.require(entry.method == expected, entry, f"{entry.method} in place of {expected}")
        if entry.is_request:
            free = entry.id not in self._under_way
            self._ids.require(free, entry, f"{entry.method} has the id {entry.id!r} of an open request")
            self._under_way.add(entry.id)
            self._ever.add(entry.id)
        elif entry.method == "$/cancelRequest":
            named = entry.params.get("id") if isinstance(entry.params, dict) else None
            self._cancels.require(named in self._ever, entry, f"no request had the id {named!r}")

    def findings(self) -> Iterator[Finding]:
        if self._last:
            for entry in self._asked.values():
                self._replies.broken(entry, f"{entry.method} was never answered")
            if "exit" in self._methods or "shutdown" in self._methods:
                orderly = self._methods[-2:] == ["shutdown", "exit"]
                self._end.require(orderly, self._last, f"the last messages are {self._methods[-2:]}")
        for promise in (self._form, self._begin, self._end, self._ids, self._replies, self._cancels):
            yield promise.finding()
