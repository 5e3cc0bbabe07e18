"""A small JSON-RPC client that keeps book: every request must be answered exactly once.

It reads no more into a message than JSON says, so that it can send and receive what no library would.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 20.0
CURSOR = "$0"
"""Where the caret stands in the text of a document to be opened."""


class ServerError(Exception):
    """The server answered with an error, or (raised by one of its ``answers``) the client does."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]


class ProtocolError(Exception):
    """A peer did what the protocol does not allow."""


class LspClient:
    """``send_body`` takes the body of a message. Replies and notifications come in by `receive`."""

    def __init__(self, send_body: Callable[[bytes], None]) -> None:
        self.send_body = send_body
        self.capabilities: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        """The settings to begin with, where nobody gives others."""
        self.answers: dict[str, Callable[[Any], Any]] = {
            "window/workDoneProgress/create": lambda params: None,
            "client/registerCapability": lambda params: None,
            "workspace/configuration": lambda params: [None for _ in params["items"]],
        }
        self.patience_seconds = PATIENCE_SECONDS
        self.notifications: list[tuple[str, Any]] = []
        self.asked: list[tuple[str, Any]] = []
        self.replies: list[dict[str, Any]] = []
        self.violations: list[str] = []
        """What the server did that the protocol does not allow."""
        self._ids = itertools.count(1)
        self._versions = itertools.count(2)
        self._replies: dict[Any, asyncio.Future[Any]] = {}
        self._reply_counts: Counter[Any] = Counter()
        self._news = asyncio.Event()

    # ---- sending

    def send(self, message: Any) -> None:
        self.send_body(json.dumps(message).encode())

    def notify(self, method: str, params: Any = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def begin(self, method: str, params: Any = None) -> tuple[int, asyncio.Future[Any]]:
        """Send a request; its id and its reply to come."""
        request_id = next(self._ids)
        reply = self.expect(request_id)
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id, reply

    def expect(self, request_id: Any) -> asyncio.Future[Any]:
        """The reply to come of a request that somebody sends by `send`."""
        reply = self._replies[request_id] = asyncio.get_running_loop().create_future()
        reply.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen
        return reply

    async def request(self, method: str, params: Any = None) -> Any:
        """Send a request and return its result. Raises `ServerError`, `TimeoutError`, `ConnectionError`."""
        return await asyncio.wait_for(self.begin(method, params)[1], self.patience_seconds)

    def cancel(self, request_id: Any) -> None:
        self.notify("$/cancelRequest", {"id": request_id})

    # ---- receiving

    def receive(self, body: bytes | str) -> None:
        """Take in one message from the server. Never raises: see `violations`."""
        try:
            message = json.loads(body)
            if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
                raise ValueError("no message of JSON-RPC 2.0")
        except ValueError as error:
            self.violations.append(f"the server sent {body[:200]!r}: {error}")
        else:
            self._take(message)
        self._news.set()

    def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            self._take_reply(message)
        elif "id" in message:
            self.asked.append((message["method"], message.get("params")))
            self._answer(message)
        else:
            self.notifications.append((message["method"], message.get("params")))

    def _answer(self, message: dict[str, Any]) -> None:
        reply = {"jsonrpc": "2.0", "id": message["id"]}
        answer = self.answers.get(message["method"])
        try:
            if answer is None:
                self.violations.append(f"the server asked {message['method']}, which no capability allows")
                raise ServerError({"code": -32601, "message": "no such method"})
            self.send(reply | {"result": answer(message.get("params"))})
        except ServerError as refusal:
            self.send(reply | {"error": {"code": refusal.code, "message": str(refusal)}})

    def _take_reply(self, message: dict[str, Any]) -> None:
        if ("result" in message) == ("error" in message) or "id" not in message:
            self.violations.append(f"a reply has an id and either a result or an error: {message}")
            return
        self.replies.append(message)
        self._reply_counts[message["id"]] += 1
        reply = self._replies.get(message["id"])
        if reply is not None and not reply.done():
            if "error" in message:
                reply.set_exception(ServerError(message["error"]))
            else:
                reply.set_result(message["result"])

    def lost(self) -> None:
        """The server is gone: nobody need wait for it."""
        for request_id, reply in self._replies.items():
            if not reply.done():
                reply.set_exception(
                    ConnectionError(f"the server ended before it answered request {request_id}")
                )

    def received(self, method: str) -> list[Any]:
        """The parameters of all notifications of this method so far."""
        return [params for name, params in self.notifications if name == method]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until something that was received makes ``condition`` true; what it returned."""
        async with asyncio.timeout(self.patience_seconds):
            while not (result := condition()):
                self._news.clear()
                await self._news.wait()
        return result

    async def until_ready(self) -> None:
        """Wait until the model is loaded."""
        await self.until(lambda: any(s["state"] == "ready" for s in self.received("mellum/status")))

    async def until_indexed(self) -> None:
        """Wait until the index holds the workspace, or never will."""
        await self.until(
            lambda: any(s["index"]["state"] in ("ready", "failed") for s in self.received("mellum/status"))
        )

    def reply_count(self, request_id: Any) -> int:
        return self._reply_counts[request_id]

    def assert_all_answered_once(self) -> None:
        """Raises `ProtocolError` where a request was not answered, or twice, or a message was wrong."""
        counts = {request_id: self._reply_counts[request_id] for request_id in self._replies}
        wrong = {request_id: count for request_id, count in counts.items() if count != 1}
        if wrong:
            self.violations.append(f"requests with other than one reply, by id: {wrong}")
        if self.violations:
            raise ProtocolError("; ".join(self.violations))

    # ---- a session

    async def initialize(self, **params: Any) -> Any:
        """Begin a session; the server's result."""
        options = {"initializationOptions": self.options} if self.options else {}
        params = {"processId": None, "capabilities": {}} | options | params
        result = await self.request("initialize", params)
        self.capabilities = result["capabilities"]
        self.notify("initialized", {})
        return result

    async def end(self) -> None:
        """End the session in good order."""
        if (result := await self.request("shutdown")) is not None:
            self.violations.append(f"shutdown was answered {result!r} in place of null")
        self.notify("exit")

    # ---- documents

    def open(self, uri: str, text: str, language: str = "python") -> dict[str, int]:
        """Open ``text`` without its `CURSOR`; the caret's position in UTF-16."""
        before, _, after = text.partition(CURSOR)
        item = {"uri": uri, "languageId": language, "version": 1, "text": before + after}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return caret_position(before)

    def edit(self, uri: str, start: dict[str, int], end: dict[str, int], text: str) -> None:
        """Replace what stands between two positions."""
        self.change(uri, {"range": {"start": start, "end": end}, "text": text})

    def change(self, uri: str, *changes: dict[str, Any]) -> None:
        """Send content changes as they are."""
        identifier = {"uri": uri, "version": next(self._versions)}
        self.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": list(changes)})

    async def inline(self, uri: str, position: dict[str, int], kind: int = 2) -> list[dict[str, Any]]:
        """The items of an inline completion. Raises `ProtocolError` for an answer that is no list."""
        result = await self.request("textDocument/inlineCompletion", at(uri, position, kind))
        if not isinstance(result, dict) or set(result) != {"items"}:
            raise ProtocolError(f"an inline completion was answered {result!r}")
        return list(result["items"])

    async def complete(self, uri: str, position: dict[str, int], kind: int = 1) -> list[dict[str, Any]]:
        """The items of a completion. Raises `ProtocolError` for an answer that is no incomplete list."""
        result = await self.request("textDocument/completion", at(uri, position, kind))
        if not isinstance(result, dict) or result.get("isIncomplete") is not True:
            raise ProtocolError(f"a completion was answered {result!r}")
        return list(result["items"])


def at(uri: str, position: dict[str, int], kind: int = 2) -> dict[str, Any]:
    """Parameters of a completion; kind 1 is invoked, 2 automatic (inline) or a trigger character (list)."""
    return {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": kind}}


def caret_position(before: str) -> dict[str, int]:
    """The position behind ``before``, in UTF-16 units."""
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return {"line": len(lines) - 1, "character": len(lines[-1].encode("utf-16-le")) // 2}
