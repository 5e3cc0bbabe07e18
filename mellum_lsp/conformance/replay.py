"""Plays the client's side of a recording against a fresh server, and compares what is answered.

In shortened time a message is sent as soon as everything has come that the client had when it sent it; what
it had not is not waited for, so that requests are superseded and cancelled as they were. In real time the
pauses between messages are kept too, for what depends on them (a ghost that was looked at long enough counts
as refused).
"""

from __future__ import annotations

import asyncio
import difflib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mellum_lsp.conformance.client import LspClient, ServerError
from mellum_lsp.conformance.normal import Normal, suggestions_in
from mellum_lsp.conformance.recordings import Entry, Session

MISSING = "no reply"
_CANCELLED = -32800
_REFUSED = {"code": -32601, "message": "the recorded client was not asked this"}


@dataclass(frozen=True, slots=True)
class Difference:
    """A request that was answered in another way. ``recorded`` and ``replayed`` are normalised messages."""

    id: Any
    method: str
    at: float
    recorded: Any
    replayed: Any

    def lines(self) -> list[str]:
        """A unified diff."""
        recorded, replayed = (
            json.dumps(answer, indent=2, ensure_ascii=False).splitlines()
            for answer in (self.recorded, self.replayed)
        )
        return list(difflib.unified_diff(recorded, replayed, "recorded", "replayed", lineterm="", n=2))


@dataclass(slots=True)
class Report:
    """How many requests the client made, which were answered in another way, and what else was wrong."""

    answers: int = 0
    differences: list[Difference] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        return not self.differences and not self.violations


async def replay(session: Session, client: LspClient, *, real_time: bool = False) -> Report:
    """Play ``session`` by ``client``, which is connected to a server that has heard nothing yet.

    A server that does not do what the recorded one did by now is waited for as long as ``client`` waits.
    """
    return await _Replay(session, client, real_time).run()


class _Replay:
    def __init__(self, session: Session, client: LspClient, real_time: bool) -> None:
        self._session = session
        self._client = client
        self._real_time = real_time
        self._answers = _recorded_answers(session.entries)
        self._pending: dict[Any, asyncio.Future[Any]] = {}
        self._replied: list[tuple[Entry, Entry | None, Any]] = []
        """Each request of the client with its recorded reply and the new one."""
        self._suggestions: dict[str, str] = {}
        """The new id of each recorded suggestion."""
        self._open: dict[Any, Entry] = {}
        self._asked: Counter[str] = Counter()
        self._ready: dict[str, str] = {}

    async def run(self) -> Report:
        for method, answers in self._answers.items():
            self._client.answers[method] = _in_turn(answers)
        begun = asyncio.get_running_loop().time()
        entries = self._session.entries if self._real_time else withdrawn_last(self._session.entries)
        for entry in entries:
            if entry.sender == "client":
                if self._real_time:
                    await asyncio.sleep(entry.at - (asyncio.get_running_loop().time() - begun))
                self._send(entry)
            else:
                await self._heard(entry)
        await self._finish()
        return self._report()

    # ---- the client's side

    def _send(self, entry: Entry) -> None:
        if entry.is_reply:
            return  # the new server's own requests are answered as they come
        if entry.is_request:
            self._open[entry.id] = entry
            self._pending[entry.id] = self._client.expect(entry.id)
        self._client.send_body(entry.body if entry.message is None else self._translated(entry.message))

    def _translated(self, message: dict[str, Any]) -> bytes:
        text = json.dumps(message)
        for recorded, new in self._suggestions.items():
            text = text.replace(json.dumps(recorded), json.dumps(new))
        return text.encode()

    # ---- what the server said then is waited for now

    async def _heard(self, entry: Entry) -> None:
        if entry.is_reply and entry.id in self._open:
            await self._reply(self._open.pop(entry.id), entry)
        elif entry.is_request:
            self._asked[entry.method] += 1
            await self._until(lambda: self._count_asked(entry.method) >= self._asked[entry.method])
        elif entry.method == "mellum/status" and isinstance(entry.params, dict):
            await self._status(entry.params)

    async def _reply(self, request: Entry, recorded: Entry | None) -> None:
        pending = self._pending.pop(request.id)
        try:
            new: Any = {"result": await asyncio.wait_for(pending, self._client.patience_seconds)}
        except ServerError as error:
            new = {"error": {"code": error.code, "message": str(error)}}
        except (TimeoutError, ConnectionError):
            new = MISSING
        self._replied.append((request, recorded, new))
        if recorded:
            ids = zip(suggestions_in(recorded.message), suggestions_in(new), strict=False)
            self._suggestions.update(ids)

    async def _status(self, status: dict[str, Any]) -> None:
        """A model or an index that was there is waited for: what is answered depends on both."""
        index = status.get("index")
        for name, state, at_rest in (
            ("engine", status.get("state"), ("ready", "failed")),
            ("index", index.get("state") if isinstance(index, dict) else None, ("ready", "failed")),
        ):
            if state in at_rest and self._ready.get(name) != state:
                self._ready[name] = str(state)
                await self._until(partial(self._was, name, state))

    def _was(self, name: str, state: Any) -> bool:
        told = self._client.received("mellum/status")
        return any((s["index"] if name == "index" else s)["state"] == state for s in told)

    def _count_asked(self, method: str) -> int:
        return sum(name == method for name, _ in self._client.asked)

    async def _until(self, condition: Callable[[], bool]) -> None:
        try:
            await self._client.until(condition)
        except TimeoutError:
            return  # whether that matters, the answers tell

    # ---- the end

    async def _finish(self) -> None:
        for request in list(self._open.values()):
            if request.method:
                await self._reply(request, None)
        if not any(entry.method == "exit" for entry in self._session.entries):
            self._client.notify("exit")

    def _report(self) -> Report:
        before, after = Normal(), Normal()
        report = Report(len(self._replied), violations=list(self._client.violations))
        for request, recorded, new in self._replied:
            if recorded is None or recorded.message is None:
                continue  # the recording ends before its answer
            parts = {key: recorded.message[key] for key in ("result", "error") if key in recorded.message}
            one, other = before.of(parts), after.of(new)
            if one != other:
                report.differences.append(Difference(request.id, request.method, request.at, one, other))
        return report


def withdrawn_last(entries: Sequence[Entry]) -> list[Entry]:
    """``entries`` with each request that was cancelled or superseded directly before what did that.

    A server that is quicker than the recorded one would otherwise have answered it before. What its text was
    makes no difference: it is not answered from it.
    """
    before: dict[int, int] = {}
    """Where each of them goes, by its place."""
    for place, entry in enumerate(entries):
        end = _withdrawn_by(entries, place) if entry.sender == "client" and entry.is_request else None
        if end is not None:
            before[place] = end
    following: dict[int, list[Entry]] = defaultdict(list)
    for place in before:
        end = before[place]
        while end in before:  # what withdrew it was withdrawn itself, and goes further back
            end = before[end]
        following[end].append(entries[place])
    return [
        one
        for place, entry in enumerate(entries)
        for one in (*following[place], *([] if place in before else [entry]))
    ]


def _withdrawn_by(entries: Sequence[Entry], place: int) -> int | None:
    """Which message made the server withdraw the request at ``place``; None where it was answered."""
    request = entries[place]
    withdrawing: int | None = None
    for later, entry in enumerate(entries[place + 1 :], place + 1):
        if entry.sender == "server" and entry.is_reply and entry.id == request.id:
            message = entry.message or {}
            withdrawn = message.get("error", {}).get("code") == _CANCELLED or (
                isinstance(message.get("result"), dict) and message["result"].get("items") == []
            )
            return withdrawing if withdrawn else None
        if withdrawing is None and entry.sender == "client" and _withdraws(entry, request):
            withdrawing = later
    return None


def _withdraws(entry: Entry, request: Entry) -> bool:
    if entry.method == "$/cancelRequest":
        return isinstance(entry.params, dict) and entry.params.get("id") == request.id
    return entry.is_request and entry.method == request.method and _document(entry) == _document(request)


def _document(entry: Entry) -> Any:
    params = entry.params if isinstance(entry.params, dict) else {}
    document = params.get("textDocument")
    return document.get("uri") if isinstance(document, dict) else None


def _recorded_answers(entries: Sequence[Entry]) -> dict[str, deque[Any]]:
    """What the client answered when it was asked, by method in the order of the questions."""
    replies = {entry.id: entry for entry in entries if entry.sender == "client" and entry.is_reply}
    answers: dict[str, deque[Any]] = defaultdict(deque)
    for entry in entries:
        if entry.sender == "server" and entry.is_request:
            reply = replies.get(entry.id)
            answers[entry.method].append(reply.message if reply else None)
    return answers


def _in_turn(answers: deque[Any]) -> Callable[[Any], Any]:
    """Gives the recorded answers one after the other, the last again and again."""

    def answer(params: Any) -> Any:
        message = answers.popleft() if len(answers) > 1 else answers[0]
        if not message or "error" in message:
            raise ServerError(message["error"] if message else _REFUSED)
        return message.get("result")

    return answer
