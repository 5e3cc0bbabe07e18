"""An editor beside a real server: the typist's keys become the messages that VS Code would send.

Every change is sent at once and withdraws the request under way; 50 ms after the last one the next request is
sent (VS Code's own debounce of inline completions). A ghost stays while its characters are typed, an empty
answer takes it away. After a jump our plugin tells where the caret rests. What the server answered, from
which source or why not, is read from its trace.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mellum_lsp.bench.assistant import Answer, Processes, Screen, Spent
from mellum_lsp.bench.document import Document, Edit, Ghost
from mellum_lsp.conformance.client import LspClient, ServerError, at, caret_position
from mellum_lsp.conformance.processes import own_server, server_process

DEBOUNCE_SECONDS = 0.05
"""VS Code's ``InlineCompletionsDebounce``: at least and at most 50 ms."""
REST_SECONDS = 0.08
"""What the plugin waits before it tells where the caret rests."""
LOADING_SECONDS = 300.0
_LOOK_SECONDS = 0.05
_SETTLING_SECONDS = 10.0


class ReplayFailed(Exception):
    """The server could not be used; the message says why and what to do."""


class _Asked(NamedTuple):
    """A request under way, the time of the key that led to it and its own."""

    request: int
    pressed: float
    begun: float


class Editor:
    """Implements `Assistant` with a server. ``root`` is the workspace folder."""

    def __init__(self, client: LspClient, root: Path, pid: int) -> None:
        self.screen = Screen()
        self.answers: list[Answer] = []
        self._client = client
        self._root = root
        self._processes = Processes(pid)
        self._timer: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._asked: _Asked | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._item = ""
        self._heard = 0
        self._told: dict[int, Any] = {}
        self._evaluated = self._generated = 0

    # ---- what the typist does

    def opened(self, document: Document) -> None:
        self._client.open(self._uri(document), document.text, document.language)

    def edited(self, document: Document, edit: Edit) -> None:
        self.screen.type(edit)
        self._send(document, edit)
        self._ask_soon(document, edit.caret)

    def moved(self, document: Document, caret: int) -> None:
        self._withdraw()
        self.screen.show(None)
        loop = asyncio.get_running_loop()
        self._rest = loop.call_later(REST_SECONDS, self._tell_caret, document, caret)

    def taken(self, document: Document, edit: Edit, whole: bool) -> None:
        self.screen.show(None)
        self._send(document, edit)
        if whole and self._item:
            self._spawn(self._run_command(self._item))
        self._ask_soon(document, edit.caret)

    def closed(self, document: Document) -> None:
        self._withdraw()
        self._client.notify("textDocument/didClose", {"textDocument": {"uri": self._uri(document)}})

    async def settle(self) -> None:
        self._withdraw()
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=_SETTLING_SECONDS)
        self._listen()

    def spent(self) -> Spent:
        self._listen()
        return Spent(self._processes.seconds(), self._evaluated, self._generated)

    # ---- messages

    def _send(self, document: Document, edit: Edit) -> None:
        """The change, with the positions of the text before it."""
        self._withdraw()
        start = caret_position(document.text[: edit.start])
        end = start
        if edit.replaced:
            end = caret_position(document.text[: edit.start] + edit.replaced)
        self._client.edit(self._uri(document), start, end, edit.text)

    def _ask_soon(self, document: Document, caret: int) -> None:
        loop, pressed = asyncio.get_running_loop(), time.perf_counter()
        self._timer = loop.call_later(DEBOUNCE_SECONDS, self._ask, document, caret, pressed)

    def _ask(self, document: Document, caret: int, pressed: float) -> None:
        position = caret_position(document.text[:caret])
        begun = time.perf_counter()
        request, reply = self._client.begin(
            "textDocument/inlineCompletion", at(self._uri(document), position)
        )
        self._asked = _Asked(request, pressed, begun)
        self._spawn(self._take_reply(self._asked, reply, position))

    async def _take_reply(self, asked: _Asked, reply: asyncio.Future[Any], position: dict[str, int]) -> None:
        items: list[Any] = []
        with contextlib.suppress(ServerError, ConnectionError):
            items = (await reply)["items"]
        ended = time.perf_counter()
        self._listen()
        told = self._told.pop(asked.request, {})
        ghost = _ghost_of(items[0], position) if items else None
        superseded, right = self._asked is not asked, False
        if not superseded:
            self._asked = None
            self._item = items[0]["command"]["arguments"][0] if items else ""
            self.screen.show(ghost)
            right = bool(ghost and self.screen.judge(ghost))
        tokens = told.get("tokens", {})
        self.answers.append(
            Answer(
                milliseconds=(ended - asked.begun) * 1000,
                key_milliseconds=(ended - asked.pressed) * 1000,
                source=told.get("source", ""),
                reason=told.get("reason", "") or ("" if items else "superseded"),
                superseded=superseded,
                characters=len(ghost.text) if ghost else 0,
                right=right,
                prompt=tokens.get("prompt", 0),
                evaluated=tokens.get("evaluated", 0),
                generated=tokens.get("generated", 0),
            )
        )

    def _withdraw(self) -> None:
        """The document changes: no request is wanted any more that was made for it as it was."""
        for timer in (self._timer, self._rest):
            if timer:
                timer.cancel()
        if self._asked:
            self._client.cancel(self._asked.request)
            self._asked = None

    def _tell_caret(self, document: Document, caret: int) -> None:
        place = {"uri": self._uri(document)}
        position = caret_position(document.text[:caret])
        self._client.notify("mellum/didMoveCaret", {"textDocument": place, "position": position})

    async def _run_command(self, item: str) -> None:
        with contextlib.suppress(ServerError, ConnectionError, TimeoutError):
            await self._client.request(
                "workspace/executeCommand", {"command": "mellum.accepted", "arguments": [item]}
            )

    def _listen(self) -> None:
        """Take in what the server traced since the last time."""
        notifications = self._client.notifications
        while self._heard < len(notifications):
            method, params = notifications[self._heard]
            self._heard += 1
            if method != "$/logTrace":
                continue
            told = json.loads(params["verbose"])
            if answered := told.get("answered"):
                self._told[answered["request"]] = answered
            if generated := told.get("generated"):
                self._evaluated += generated["evaluated"]
                self._generated += generated["generated"]

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _uri(self, document: Document) -> str:
        return (self._root / document.path).as_uri()


@asynccontextmanager
async def editing(root: Path, model: str, settings: Mapping[str, Any], folder: Path) -> AsyncIterator[Editor]:
    """An editor on ``root`` beside a server of its own, the model loaded and the project indexed.

    The server leaves its caches and logs in ``folder`` and finds no engine of others. Raises `ReplayFailed`
    where it does not get ready.
    """
    places = {}
    for name in ("RUNTIME_DIR", "CACHE_HOME", "STATE_HOME"):
        place = folder / name.lower()
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        places[f"XDG_{name}"] = str(place)
    command = own_server("--model", model) if model else own_server()
    with (folder / "server.txt").open("wb") as stderr:
        async with server_process(command, environment={**os.environ, **places}, stderr=stderr) as (
            client,
            process,
        ):
            await _begin(client, root, settings, folder)
            editor = Editor(client, root, process.pid)
            yield editor
            await editor.settle()
            with contextlib.suppress(ServerError, ConnectionError, TimeoutError):
                await client.end()
                await asyncio.wait_for(process.wait(), _SETTLING_SECONDS)


async def _begin(client: LspClient, root: Path, settings: Mapping[str, Any], folder: Path) -> None:
    engine = {"mode": "own", "keepStates": False, **settings.get("engine", {})}
    options = {"feedback": False, **settings, "engine": engine}
    folders = [{"uri": root.as_uri(), "name": root.name}]

    def is_ready() -> bool:
        told = client.received("mellum/status")
        if told and told[-1]["state"] == "failed":
            raise ReplayFailed(told[-1]["message"])
        return bool(told) and told[-1]["state"] == "ready" and told[-1]["index"]["state"] == "ready"

    try:
        await client.initialize(workspaceFolders=folders, trace="verbose", initializationOptions=options)
        async with asyncio.timeout(LOADING_SECONDS):
            while not is_ready():
                await asyncio.sleep(_LOOK_SECONDS)
    except (TimeoutError, ConnectionError) as error:
        why, output = str(error) or f"not in {LOADING_SECONDS:.0f} s", folder / "server.txt"
        raise ReplayFailed(f"the server did not get ready: {why}\nhint: its output is {output}") from error


def _ghost_of(item: dict[str, Any], position: dict[str, int]) -> Ghost | None:
    """The item as a ghost at ``position``; None where it changes what stands before that."""
    replaced = item["range"]
    if replaced["start"] != position:
        return None
    # What is replaced are brackets and quotes: characters are UTF-16 units.
    return Ghost(item["insertText"], replaced["end"]["character"] - position["character"])
