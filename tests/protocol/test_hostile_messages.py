"""Messages that make no sense get a clean reply or are ignored, and the session goes on."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from fake_backend import Lab
from lsp_client import LspClient, ServerError, at

URI = "file:///project/a.py"
INLINE, COMPLETION = "textDocument/inlineCompletion", "textDocument/completion"
EMPTY = {INLINE: {"items": []}, COMPLETION: {"isIncomplete": True, "items": []}}


class TestHostileMessages:
    ODD = (
        None,
        1,
        "x",
        [],
        {},
        {"textDocument": None, "position": None},
        {"textDocument": {"uri": None}, "position": {"line": 0, "character": 0}},
        {"textDocument": {"uri": URI}, "position": {"line": "0", "character": []}},
        {"textDocument": {"uri": URI}, "position": {"line": True, "character": 0}},
        {"textDocument": {"uri": URI}, "position": [0, 0]},
        {
            "textDocument": {"uri": URI},
            "position": {"line": 0, "character": 0},
            "context": {"triggerKind": 9},
        },
    )

    @pytest.mark.parametrize("params", ODD, ids=json.dumps)
    @pytest.mark.parametrize("method", [INLINE, COMPLETION, "mellum/explain", "workspace/executeCommand"])
    async def test_unreadable_parameters_are_an_error_of_the_client(
        self, client: LspClient, method: str, params: object
    ) -> None:
        with pytest.raises(ServerError) as error:
            await client.request(method, params)
        assert error.value.code == -32602

    @pytest.mark.parametrize(
        "position",
        [
            {"line": -1, "character": -1},
            {"line": 2**31, "character": 2**63},
            {"line": 10**400, "character": 0},
            {"line": 0.0, "character": 1e300},
        ],
        ids=str,
    )
    async def test_numbers_out_of_bounds_mean_the_nearest_place(
        self, client: LspClient, position: dict[str, int]
    ) -> None:
        client.open(URI, "x = 1\n")
        assert await client.inline(URI, position)

    @pytest.mark.parametrize("version", [None, -1, 0, 1_790_000_000_000, 1.5, "2"])
    async def test_versions_are_counted_as_clients_like(
        self, client: LspClient, lab: Lab, version: object
    ) -> None:
        caret = client.open(URI, "x = $0")
        document = {"uri": URI, "version": version}
        change = {"text": "y = "}
        client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        assert await client.inline(URI, caret)
        assert lab.completer.carets[-1].text == "y = "

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            ":",
            "http://[::1",
            "file://",
            "file:///%00",
            "file:///%FF%FE.py",
            "file:///c%3A/Users/x/a.py",
            "file:///C:/Users/x/a.py",
            "file:///C:%5CUsers%5Cx%5Ca.py",
            "file://server/share/a.py",
            "C:\\Users\\x\\a.py",
            "/home/x/a.py",
            "untitled:Untitled-1",
            "vscode-notebook-cell:/x/a.ipynb#W0sZmlsZQ%3D%3D",
            "file:///a/../../etc/hosts",
            "\ud800",
            "x" * 100_000,
        ],
        ids=lambda uri: repr(uri[:40]),
    )
    async def test_any_uri_names_a_document(self, client: LspClient, lab: Lab, uri: str) -> None:
        caret = client.open(uri, "x = $0")
        assert await client.inline(uri, caret)
        path = lab.completer.carets[-1].path
        assert path and "\n" not in path
        path.encode()

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"nul", b"9" * 10_000], ids=str)
    async def test_what_is_no_json_gets_a_parse_error_and_the_session_goes_on(
        self, client: LspClient, body: bytes
    ) -> None:
        client.send_body(body)
        await client.until(lambda: client.reply_count(None))
        assert await client.inline(URI, client.open(URI, "$0"))

    @pytest.mark.parametrize(
        "message",
        [
            [],
            1,
            None,
            {"jsonrpc": "2.0"},
            {"jsonrpc": "2.0", "id": None, "method": "shutdown"},
            {"jsonrpc": "2.0", "id": [1], "method": "shutdown"},
            {"jsonrpc": "2.0", "id": True, "method": "shutdown"},
        ],
        ids=json.dumps,
    )
    async def test_what_is_no_message_gets_an_error_without_an_id(
        self, client: LspClient, message: object
    ) -> None:
        client.send(message)
        await client.until(lambda: client.reply_count(None))
        assert await client.inline(URI, client.open(URI, "$0"))

    async def test_ids_may_be_strings_and_are_unique_while_under_way(
        self, client: LspClient, lab: Lab
    ) -> None:
        lab.completer.gate.clear()
        caret = client.open(URI, "$0")
        message = {"jsonrpc": "2.0", "id": "twice", "method": INLINE, "params": at(URI, caret)}
        client.send(message)
        client.send(message | {"method": "mellum/status"})
        await client.until(lambda: client.reply_count("twice") == 1)
        assert client.replies[-1]["error"]["code"] == -32600
        lab.completer.gate.set()
        await client.until(lambda: client.reply_count("twice") == 2)
        assert client.replies[-1]["result"]["items"]

    async def test_replies_to_requests_never_made_are_ignored(self, client: LspClient) -> None:
        for request_id in (1, "x", None, [], {}):
            client.send({"jsonrpc": "2.0", "id": request_id, "result": {}})
            client.send({"jsonrpc": "2.0", "id": request_id, "error": "x"})
        assert await client.inline(URI, client.open(URI, "$0"))

    async def test_unknown_methods_are_named_unknown(self, client: LspClient) -> None:
        client.notify("$/unknown", {})
        client.notify("textDocument/unknown", {})
        with pytest.raises(ServerError) as error:
            await client.request("textDocument/hover", {})
        assert error.value.code == -32601

    @pytest.mark.parametrize(
        "method",
        [
            "textDocument/didOpen",
            "textDocument/didChange",
            "textDocument/didClose",
            "textDocument/didSave",
            "notebookDocument/didOpen",
            "notebookDocument/didChange",
            "notebookDocument/didClose",
            "workspace/didChangeWorkspaceFolders",
            "workspace/didChangeWatchedFiles",
            "workspace/didChangeConfiguration",
            "mellum/didMoveCaret",
            "textDocument/didShowCompletion",
            "textDocument/didPartiallyAcceptCompletion",
            "window/workDoneProgress/cancel",
            "$/setTrace",
        ],
    )
    async def test_notifications_without_sense_are_survived(self, client: LspClient, method: str) -> None:
        for params in (None, 1, [], {}, {"textDocument": 1}, {"item": []}, {"settings": 1}, {"changes": [1]}):
            client.notify(method, params)
        client.notify(method, {"textDocument": {"uri": "file:///not/open"}, "contentChanges": []})
        assert await client.inline(URI, client.open(URI, "$0"))


class TestRandomMessages:
    METHODS = (INLINE, COMPLETION, "mellum/explain", "mellum/status", "workspace/executeCommand", "x/y")
    NOTIFICATIONS = (
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/didClose",
        "notebookDocument/didOpen",
        "notebookDocument/didChange",
        "workspace/didChangeConfiguration",
        "workspace/didChangeWorkspaceFolders",
        "mellum/didMoveCaret",
        "$/cancelRequest",
    )
    NAMES = (
        *("textDocument", "position", "context", "uri", "line", "character", "text", "range", "start", "end"),
        *("version", "contentChanges", "triggerKind", "settings", "mellum", "gate", "event", "added", "id"),
        *("command", "arguments", "notebookDocument", "cells", "change", "structure", "array", "languageId"),
    )

    def value(self, chance: random.Random, depth: int = 0) -> object:
        kind = chance.randrange(10 if depth < 5 else 6)
        if kind == 9:
            return [self.value(chance, depth + 1) for _ in range(chance.randrange(3))]
        if kind > 5:
            names = chance.sample(self.NAMES, chance.randrange(6))
            return {name: self.value(chance, depth + 1) for name in names}
        return chance.choice((None, True, 0, -1, 2**40, 1.5, "", URI, "x\n", "\ud800", 1, 2))

    def params(self, chance: random.Random) -> object:
        """Nonsense, or something sensible with one member replaced by nonsense."""
        if chance.random() < 0.4:
            return self.value(chance)
        position = {"line": chance.randrange(3), "character": chance.randrange(9)}
        params = at(URI, position) | {
            "contentChanges": [{"range": {"start": position, "end": position}, "text": "x\r\n"}]
        }
        params["textDocument"] |= {"languageId": "python", "version": 1, "text": "y = 1\n"}
        inner = chance.choice([params, params["textDocument"], params["contentChanges"][0]])
        inner[chance.choice(list(inner))] = self.value(chance)
        return params

    @pytest.mark.parametrize("seed", range(5))
    async def test_every_request_among_them_gets_its_one_reply(self, client: LspClient, seed: int) -> None:
        chance = random.Random(seed)
        replies = []
        for _ in range(400):
            if chance.random() < 0.5:
                replies.append(client.begin(chance.choice(self.METHODS), self.params(chance))[1])
            else:
                client.notify(chance.choice(self.NOTIFICATIONS), self.params(chance))
            if chance.random() < 0.2:
                await asyncio.sleep(0)
        answers = await asyncio.wait_for(asyncio.gather(*replies, return_exceptions=True), 20)
        assert all(isinstance(answer, dict | ServerError | None) for answer in answers)
        assert any(isinstance(answer, dict) and answer.get("items") for answer in answers)


class TestLostSync:
    async def test_after_an_unreadable_change_there_is_silence_until_the_next_whole_text(
        self, client: LspClient
    ) -> None:
        caret = client.open(URI, "$0")
        bad = {"range": {"start": {"line": 0, "character": 0}}, "text": "x"}
        document = {"uri": URI, "version": 2}
        client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [bad]})
        assert await client.inline(URI, caret) == []
        assert (await client.request("mellum/explain", at(URI, caret)))["reason"] == "out of step"
        whole = {"text": "x = "}
        client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [whole]})
        assert await client.inline(URI, caret) != []
