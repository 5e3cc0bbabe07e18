"""A small JSON-RPC client that keeps book: every request must be answered exactly once.

It speaks to a server in this process (`in_process`), in a process of its own (`over_stdio`) or at an address
(`over_tcp`, `over_websocket`), and answers what servers ask of editors.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mellum_lsp.lsp.framing import Framing, frame

PATIENCE_SECONDS = 20.0
CURSOR = "$0"
SERVE = ("-m", "mellum_lsp", "serve")


class ServerError(Exception):
    """The server answered with an error, or (raised by one of its ``answers``) the client does."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]


class LspClient:
    """``send`` takes the body of a message. Replies and notifications come in by `receive`."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.send_body = send
        self.capabilities: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        """The settings to begin with, where a test gives no others."""
        self.answers: dict[str, Callable[[Any], Any]] = {
            "window/workDoneProgress/create": lambda params: None,
            "client/registerCapability": lambda params: None,
            "workspace/configuration": lambda params: [None for _ in params["items"]],
        }
        self.notifications: list[tuple[str, Any]] = []
        self.asked: list[tuple[str, Any]] = []
        self.replies: list[dict[str, Any]] = []
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
        reply = self._replies[request_id] = asyncio.get_running_loop().create_future()
        reply.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id, reply

    async def request(self, method: str, params: Any = None) -> Any:
        return await asyncio.wait_for(self.begin(method, params)[1], PATIENCE_SECONDS)

    def cancel(self, request_id: Any) -> None:
        self.notify("$/cancelRequest", {"id": request_id})

    # ---- receiving

    def receive(self, body: bytes | str) -> None:
        message = json.loads(body)
        assert message["jsonrpc"] == "2.0"
        if "method" in message and "id" in message:
            self.asked.append((message["method"], message.get("params")))
            answer = self.answers.get(message["method"])
            assert answer is not None, f"the server asked {message['method']}"
            reply = {"jsonrpc": "2.0", "id": message["id"]}
            try:
                self.send(reply | {"result": answer(message.get("params"))})
            except ServerError as refusal:
                self.send(reply | {"error": {"code": refusal.code, "message": str(refusal)}})
        elif "method" in message:
            self.notifications.append((message["method"], message.get("params")))
        else:
            self._take_reply(message)
        self._news.set()

    def _take_reply(self, message: dict[str, Any]) -> None:
        assert ("result" in message) != ("error" in message), message
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
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (result := condition()):
                self._news.clear()
                await self._news.wait()
        return result

    async def until_ready(self) -> None:
        await self.until(lambda: any(s["state"] == "ready" for s in self.received("mellum/status")))

    def reply_count(self, request_id: Any) -> int:
        return self._reply_counts[request_id]

    def assert_all_answered_once(self) -> None:
        counts = {request_id: self._reply_counts[request_id] for request_id in self._replies}
        assert all(count == 1 for count in counts.values()), f"replies by request: {counts}"

    # ---- a session

    async def initialize(self, **params: Any) -> Any:
        options = {"initializationOptions": self.options} if self.options else {}
        params = {"processId": None, "capabilities": {}} | options | params
        result = await self.request("initialize", params)
        self.capabilities = result["capabilities"]
        self.notify("initialized", {})
        return result

    async def end(self) -> None:
        assert await self.request("shutdown") is None
        self.notify("exit")

    # ---- documents, with the caret inside the text

    def open(self, uri: str, text: str, language: str = "python") -> dict[str, int]:
        """Open ``text`` without its caret mark; the caret's position in UTF-16."""
        before, _, after = text.partition(CURSOR)
        item = {"uri": uri, "languageId": language, "version": 1, "text": before + after}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return caret_position(before)

    def edit(self, uri: str, start: dict[str, int], end: dict[str, int], text: str) -> None:
        change = {"range": {"start": start, "end": end}, "text": text}
        self.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": next(self._versions)}, "contentChanges": [change]},
        )

    async def inline(self, uri: str, position: dict[str, int], kind: int = 2) -> list[dict[str, Any]]:
        """The items of an inline completion."""
        result = await self.request("textDocument/inlineCompletion", at(uri, position, kind))
        assert set(result) == {"items"}
        return result["items"]

    async def complete(self, uri: str, position: dict[str, int], kind: int = 1) -> list[dict[str, Any]]:
        """The items of a completion."""
        result = await self.request("textDocument/completion", at(uri, position, kind))
        assert result["isIncomplete"] is True
        return result["items"]


async def eventually(condition: Callable[[], Any]) -> None:
    """Wait until something that the server does by itself makes ``condition`` true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.002)


def at(uri: str, position: dict[str, int], kind: int = 2) -> dict[str, Any]:
    """Parameters of a completion; kind 1 is invoked, 2 automatic (inline) or a trigger character (list)."""
    return {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": kind}}


def caret_position(before: str) -> dict[str, int]:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return {"line": len(lines) - 1, "character": len(lines[-1].encode("utf-16-le")) // 2}


def isolated(folder: Path) -> dict[str, str]:
    """An environment in which a server finds and leaves nothing but what is below ``folder``."""
    names = ("RUNTIME", "CACHE", "STATE", "DATA", "CONFIG")
    places = {
        f"XDG_{name}_{'DIR' if name == 'RUNTIME' else 'HOME'}": str(folder / name.lower()) for name in names
    }
    for place in places.values():
        Path(place).mkdir(parents=True, exist_ok=True, mode=0o700)
    return {**os.environ, **places, "MELLUM_LSP_MODEL": ""}


@asynccontextmanager
async def over_stdio(
    folder: Path, *arguments: str
) -> AsyncIterator[tuple[LspClient, asyncio.subprocess.Process]]:
    """A server process and a client that speaks to it; ends the process afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *SERVE,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=(folder / "stderr.txt").open("wb"),
        env=isolated(folder),
    )
    assert process.stdin and process.stdout
    stdin = process.stdin
    client = LspClient(lambda body: stdin.write(frame(body)))
    client.options = {"engine": {"idleSeconds": 0}}  # no engine is left behind
    reading = asyncio.ensure_future(_read(process.stdout, client))
    try:
        yield client, process
        client.assert_all_answered_once()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


@asynccontextmanager
async def listening(
    folder: Path, option: str, *arguments: str
) -> AsyncIterator[tuple[str, int, asyncio.subprocess.Process]]:
    """A server process that listens at a free port; its host, port and process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *SERVE,
        option,
        "127.0.0.1:0",
        *arguments,
        stderr=asyncio.subprocess.PIPE,
        env=isolated(folder),
    )
    assert process.stderr
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b"listening on " not in (line := await process.stderr.readline()):
                assert line, "the server ended"
        host, _, port = line.decode().rsplit(" ", 1)[1].strip().rpartition(":")
        draining = asyncio.ensure_future(process.stderr.read())
        yield host, int(port), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    await draining


@asynccontextmanager
async def over_tcp(host: str, port: int) -> AsyncIterator[LspClient]:
    reader, writer = await asyncio.open_connection(host, port)
    client = LspClient(lambda body: writer.write(frame(body)))
    reading = asyncio.ensure_future(_read(reader, client))
    try:
        yield client
        client.assert_all_answered_once()
    finally:
        writer.close()
        reading.cancel()


@asynccontextmanager
async def over_websocket(host: str, port: int, **options: Any) -> AsyncIterator[LspClient]:
    from websockets.asyncio.client import connect

    async with connect(f"ws://{host}:{port}", **options) as socket:
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        client = LspClient(outgoing.put_nowait)

        async def send() -> None:
            while True:
                await socket.send((await outgoing.get()).decode())

        async def receive() -> None:
            async for message in socket:
                assert isinstance(message, str), "editors in browsers expect text frames"
                client.receive(message)

        tasks = [asyncio.ensure_future(send()), asyncio.ensure_future(receive())]
        try:
            yield client
            client.assert_all_answered_once()
        finally:
            for task in tasks:
                task.cancel()


async def _read(reader: asyncio.StreamReader, client: LspClient) -> None:
    framing = Framing()
    while data := await reader.read(65536):
        for body in framing.feed(data):
            client.receive(body)
    client.lost()
