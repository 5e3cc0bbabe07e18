"""`mellum-lsp protocol editor`: what an editor does right is told, and what it does wrong is noticed.

The editors of these tests speak to the real server, which records them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lsp_client import LspClient, ServerError
from scripted import scripted

from mellum_lsp.cli import cli
from mellum_lsp.conformance.editors import Finding, judge
from mellum_lsp.conformance.recordings import read_recording
from mellum_lsp.lsp.recording import Recorder
from mellum_lsp.lsp.server import create_server

SCRIPT = [
    {"after": "for name in names:\n    ", "text": "if name:\n        print('😀', name)\n"},
    {"after": "total = ", "text": "sum(values)\n"},
]
GHOST = "if name:\n        print('😀', name)"
URI = "file:///project/a.py"
START = {"line": 0, "character": 0}
Findings = dict[str, Finding]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "recording.jsonl"


@pytest.fixture
def session(tmp_path: Path, recording: Path) -> Callable[..., Any]:
    """An editor's session with a server that follows the script; the findings of its recording afterwards."""
    model = scripted(tmp_path, SCRIPT)

    @asynccontextmanager
    async def recorded(findings: Findings, **params: Any) -> AsyncIterator[LspClient]:
        loop = asyncio.get_running_loop()
        recorder = Recorder(recording, None)
        connect = recorder.recorded(lambda send: create_server(send, model=model))
        server = connect(lambda body: loop.call_soon(client.receive, body))
        client = LspClient(lambda body: loop.call_soon(server.receive, body))
        await client.initialize(**params)
        try:
            yield client
            await client.end()
            await server.finished()
        finally:
            await server.close()
            recorder.close()
        findings.update({one.name: one for one in judge(read_recording(recording)[0], time.time())})

    return recorded


def failed(findings: Findings) -> dict[str, str]:
    return {name: one.message for name, one in findings.items() if one.result == "failed"}


async def ghost(client: LspClient, uri: str, caret: dict[str, int]) -> dict[str, Any]:
    (item,) = (await client.inline(uri, caret))[:1]
    return item


async def tell(client: LspClient, command: str, item: dict[str, Any], *more: Any) -> None:
    arguments = [*item["command"]["arguments"], *more]
    await client.request("workspace/executeCommand", {"command": command, "arguments": arguments})


async def test_an_editor_that_does_all_right(session: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "ä b.py"
    findings: Findings = {}
    async with session(findings) as client:
        uri = file.as_uri()
        caret = client.open(uri, "for name in names:\r\n    $0\r\n")
        item = await ghost(client, uri, caret)
        assert item["insertText"] == GHOST.replace("\n", "\r\n")
        await tell(client, "mellum.shown", item)
        client.notify("mellum/didMoveCaret", {"textDocument": {"uri": uri}, "position": caret})
        client.edit(uri, caret, caret, "i")  # a key that the ghost begins with, and its rest offered anew
        caret = {"line": 1, "character": 5}
        rest = await ghost(client, uri, caret)
        client.edit(uri, caret, caret, "f name:")
        await tell(client, "mellum.partiallyAccepted", rest, len("f name:"))
        caret = {"line": 1, "character": 12}
        await tell(client, "mellum.accepted", rest)  # before its change, as some editors do
        client.edit(uri, caret, caret, "\r\n        print('😀', name)")
        text = f"for name in names:\r\n    {item['insertText']}\r\n"
        file.write_bytes(text.encode())
        client.notify("textDocument/didSave", {"textDocument": {"uri": uri}, "text": text})
        other = client.open("untitled:1", "total = $0\n")
        await tell(client, "mellum.dismissed", await ghost(client, "untitled:1", other))
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert failed(findings) == {}
    not_seen = {name for name, one in findings.items() if one.result == "not seen"}
    assert not_seen == {"cancels", "replies"}


class TestWhatIsWrong:
    """Each in one thing; the others must not be complained of."""

    async def found(self, session: Callable[..., Any], editor: Callable[[LspClient], Any]) -> dict[str, str]:
        findings: Findings = {}
        async with session(findings) as client:
            await editor(client)
        return failed(findings)

    async def test_acceptance_that_is_not_told(self, session: Callable[..., Any]) -> None:
        async def editor(client: LspClient) -> None:
            caret = client.open(URI, "total = $0\n")
            item = await ghost(client, URI, caret)
            client.edit(URI, caret, caret, item["insertText"])

        complaints = await self.found(session, editor)
        assert set(complaints) == {"accept"}
        assert "'sum(values)' was accepted, and not told" in complaints["accept"]

    async def test_text_that_is_not_inserted_as_suggested(self, session: Callable[..., Any]) -> None:
        async def editor(client: LspClient) -> None:
            caret = client.open(URI, "for name in names:\n    $0\n")
            item = await ghost(client, URI, caret)
            await tell(client, "mellum.accepted", item)
            indented_again = item["insertText"].replace("\n", "\n    ")
            client.edit(URI, caret, caret, indented_again)

        assert set(await self.found(session, editor)) == {"inserted"}

    async def test_lengths_in_other_units(self, session: Callable[..., Any]) -> None:
        async def editor(client: LspClient) -> None:
            caret = client.open(URI, "for name in names:\n    $0\n")
            item = await ghost(client, URI, caret)
            part = GHOST[: GHOST.index(",")]
            client.edit(URI, caret, caret, part)
            await tell(client, "mellum.partiallyAccepted", item, len(part.encode()))

        assert set(await self.found(session, editor)) == {"partial"}

    async def test_parts_that_are_not_told(self, session: Callable[..., Any]) -> None:
        async def editor(client: LspClient) -> None:
            caret = client.open(URI, "total = $0\n")
            await ghost(client, URI, caret)
            client.edit(URI, caret, caret, "sum(")

        assert set(await self.found(session, editor)) == {"partial"}

    @pytest.mark.parametrize(
        ("broken", "send"),
        [
            ("positions", lambda c, u, s: c.edit(u, {"line": 0, "character": 99}, s, "")),
            ("positions", lambda c, u, s: c.edit(u, {"line": 7, "character": 0}, s, "")),
            ("versions", lambda c, u, s: c.notify("textDocument/didChange", {
                "textDocument": {"uri": u, "version": 1}, "contentChanges": []})),
            ("texts", lambda c, u, s: c.notify("textDocument/didSave", {
                "textDocument": {"uri": u}, "text": "other"})),
            ("open", lambda c, u, s: c.open(u, "again")),
            ("open", lambda c, u, s: c.notify("textDocument/didClose", {"textDocument": {"uri": "x:"}})),
            ("changes", lambda c, u, s: c.notify("textDocument/didChange", {"textDocument": {"uri": u}})),
            ("messages", lambda c, u, s: c.send_body(b"{")),
            ("replies", lambda c, u, s: c.send({"jsonrpc": "2.0", "id": "never", "result": None})),
            ("cancels", lambda c, u, s: c.cancel("never")),
        ],
    )  # fmt: skip
    async def test_messages(self, session: Callable[..., Any], broken: str, send: Callable[..., Any]) -> None:
        async def editor(client: LspClient) -> None:
            client.open(URI, "x = '😀'\n")
            send(client, URI, START)
            await client.request("mellum/status")

        assert set(await self.found(session, editor)) == {broken}

    async def test_positions_within_a_character(self, session: Callable[..., Any]) -> None:
        async def editor(client: LspClient) -> None:
            client.open(URI, "😀\n")
            client.edit(URI, START, {"line": 0, "character": 1}, "")

        assert set(await self.found(session, editor)) == {"positions"}

    async def test_a_file_that_was_saved_otherwise(self, session: Callable[..., Any], tmp_path: Path) -> None:
        file = tmp_path / "a.py"
        file.write_text("on disk\n")

        async def editor(client: LspClient) -> None:
            client.open(file.as_uri(), "told\n")
            client.notify("textDocument/didSave", {"textDocument": {"uri": file.as_uri()}})
            await client.request("mellum/status")

        assert set(await self.found(session, editor)) == {"texts"}

    async def test_an_end_without_shutdown_and_ids_used_twice(self, session: Callable[..., Any]) -> None:
        findings: Findings = {}
        async with session(findings) as client:
            caret = client.open(URI, "total = $0\n")
            params = {"textDocument": {"uri": URI}, "position": caret, "context": {"triggerKind": 1}}
            request = {"jsonrpc": "2.0", "id": 7, "method": "textDocument/inlineCompletion"}
            client.send(request | {"params": params})
            client.send(request | {"params": params})
            client.notify("exit")
            with pytest.raises((ServerError, TimeoutError)):
                client.patience_seconds = 1
                await client.request("mellum/status")
            client.end = lambda: asyncio.sleep(0)
        assert set(failed(findings)) == {"ids", "end"}


async def test_the_command_tells_it(
    session: Callable[..., Any], recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with session({}, clientInfo={"name": "ed", "version": "7"}) as client:
        caret = client.open("untitled:1", "total = $0\n")
        item = await ghost(client, "untitled:1", caret)
        client.edit("untitled:1", caret, caret, item["insertText"])
    shown = CliRunner().invoke(cli, ["protocol", "editor", str(recording)])
    assert shown.exit_code == 1
    assert "ed 7" in shown.output
    assert "✗ accept: An accepted item's command is run (1 times)" in shown.output
    report = json.loads(CliRunner().invoke(cli, ["protocol", "editor", str(recording), "--json"]).output)
    assert (report["client"], report["passed"]) == ("ed 7", False)
    assert {finding["name"] for finding in report["findings"]} >= {"accept", "texts", "end"}
