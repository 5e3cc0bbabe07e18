"""What clients may rely on, promise by promise, over stdio from a server in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsp_client import LspClient, ServerError, at, eventually, over_stdio, session
from scripted import scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

INLINE, COMPLETION = "textDocument/inlineCompletion", "textDocument/completion"
_numbers = itertools.count()
EMPTY = {INLINE: {"items": []}, COMPLETION: {"isIncomplete": True, "items": []}}

SCRIPT = [
    {"after": "def add(a, b):\n    ", "text": "return a + b\n"},
    {"after": "slow = ", "text": "answer()\n", "seconds": 0.5},
    {"after": "never = ", "text": "answer()\n", "seconds": 600},
    {"after": "short = ", "text": "x\n"},
    {"after": "math.", "text": "floor(2.5)\n"},
    {"after": "items.append", "text": "(thing)\n"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds all that the server of these tests finds and leaves."""
    return tmp_path_factory.mktemp("contracts")


@pytest.fixture(scope="module")
def script(folder: Path) -> str:
    return scripted(folder, SCRIPT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(folder: Path, script: str) -> AsyncIterator[LspClient]:
    """One session for many tests; at its end every request must have had exactly one reply."""
    async with session(folder, "--model", script, clientInfo={"name": "contracts"}) as (client, _):
        yield client


@pytest.fixture
def client(running: LspClient) -> LspClient:
    return running


@pytest.fixture
def uri() -> str:
    """A document that no other test knows: the server remembers what it generated."""
    return f"file:///project/{next(_numbers)}.py"


async def text_at(client: LspClient, uri: str, text: str, kind: int = 1) -> str:
    """The best item's text at the ``$0`` of a new document."""
    items = await client.inline(uri, client.open(uri, text), kind)
    return items[0]["insertText"] if items else ""


class TestOffer:
    @pytest.mark.parametrize("capabilities", [{}, {"textDocument": {"inlineCompletion": None}}])
    async def test_both_methods_are_advertised_to_everyone(
        self, tmp_path: Path, script: str, capabilities: dict[str, Any]
    ) -> None:
        async with over_stdio(tmp_path, "--model", script) as (client, _):
            await client.initialize(capabilities=capabilities)
            offered = client.capabilities
            assert offered["inlineCompletionProvider"] is not None
            assert offered["completionProvider"] is not None
            await client.end()

    async def test_initialization_options_are_the_settings_themselves(
        self, tmp_path: Path, script: str, uri: str
    ) -> None:
        async with over_stdio(tmp_path) as (client, _):
            await client.initialize(initializationOptions={"model": script, "languages": ["-python"]})
            await client.until_ready()
            caret = client.open(uri, "def add(a, b):\n    $0\n")
            answer = await client.request("mellum/explain", at(uri, caret))
            assert answer["reason"] == "disabled language: python"
            await client.end()

    async def test_a_server_leaves_nothing_outside_the_users_directories(
        self, client: LspClient, folder: Path, uri: str
    ) -> None:
        assert await text_at(client, uri, "def add(a, b):\n    $0\n")
        assert (folder / "state" / "mellum-lsp" / "server.log").is_file()


class TestSuperseding:
    @pytest.mark.parametrize("method", [INLINE, COMPLETION])
    async def test_a_newer_request_empties_the_older_of_its_document_and_method(
        self, client: LspClient, method: str, uri: str
    ) -> None:
        caret = client.open(uri, "slow = $0\n")
        _, older = client.begin(method, at(uri, caret))
        _, newer = client.begin(method, at(uri, caret))
        assert await asyncio.wait_for(older, 5) == EMPTY[method]
        assert (await asyncio.wait_for(newer, 5))["items"]

    async def test_other_methods_and_documents_are_left_alone(self, client: LspClient, uri: str) -> None:
        caret = client.open(uri, "slow = $0\n")
        other = client.open("untitled:other", "slow = $0\n")
        replies = [
            client.begin(COMPLETION, at(uri, caret))[1],
            client.begin(INLINE, at(uri, caret))[1],
            client.begin(INLINE, at("untitled:other", other))[1],
        ]
        assert all([(await asyncio.wait_for(reply, 5))["items"] for reply in replies])

    @pytest.mark.parametrize("method", [INLINE, COMPLETION])
    async def test_only_what_the_client_cancels_is_an_error(
        self, client: LspClient, method: str, uri: str
    ) -> None:
        caret = client.open(uri, "never = $0\n")
        request_id, cancelled = client.begin(method, at(uri, caret, 1))
        client.cancel(request_id)
        with pytest.raises(ServerError) as error:
            await asyncio.wait_for(cancelled, 5)
        assert error.value.code == -32800


class TestSharing:
    async def test_both_methods_have_the_same_answer_of_one_generation(
        self, client: LspClient, uri: str
    ) -> None:
        caret = client.open(uri, "slow = $0\n")
        begun = asyncio.get_running_loop().time()
        replies = [client.begin(method, at(uri, caret, 2))[1] for method in (COMPLETION, INLINE)]
        completion, inline = [(await asyncio.wait_for(reply, 5))["items"] for reply in replies]
        assert completion[0]["insertText"] == inline[0]["insertText"] == "answer()"
        assert asyncio.get_running_loop().time() - begun < 0.95, "two would take twice half a second"

    async def test_a_document_with_ghosts_has_an_empty_list(self, client: LspClient, uri: str) -> None:
        caret = client.open(uri, "def add(a, b):\n    $0\n")
        assert await client.complete(uri, caret)
        assert await client.inline(uri, caret)
        assert await client.complete(uri, caret) == []


class TestInvoked:
    async def test_it_bypasses_the_minimum_length(self, client: LspClient, uri: str) -> None:
        assert await text_at(client, uri, "short = $0\n", kind=2) == ""
        assert (await client.request("mellum/status"))["message"] == "nothing to show: too short"
        assert await text_at(client, uri, "short = $0\n", kind=1) == "x"

    async def test_it_bypasses_the_memory_of_refusals(self, client: LspClient, uri: str) -> None:
        caret = client.open(uri, "def add(a, b):\n    $0\n")
        (item,) = await client.inline(uri, caret)
        dismissed = {"command": "mellum.dismissed", "arguments": item["command"]["arguments"]}
        await client.request("workspace/executeCommand", dismissed)
        assert await client.inline(uri, caret) == []
        assert (await client.request("mellum/status"))["message"] == "nothing to show: dismissed before"
        assert (await client.inline(uri, caret, kind=1))[0]["insertText"] == "return a + b"

    async def test_it_bypasses_unwanted_places(self, client: LspClient, uri: str) -> None:
        text = "import math\nmath.$0x\n"
        assert await text_at(client, uri, text, kind=2) == ""
        assert await text_at(client, uri, text, kind=1)


class TestDocuments:
    async def test_untitled_documents_are_served(self, client: LspClient) -> None:
        assert await text_at(client, "untitled:Untitled-1", "def add(a, b):\n    $0\n") == "return a + b"

    async def test_cells_of_notebooks_are_served(self, client: LspClient, uri: str) -> None:
        cells = ["import math\n", "math."]
        client.notify(
            "notebookDocument/didOpen",
            {
                "notebookDocument": {
                    "uri": "file:///project/n.ipynb",
                    "notebookType": "jupyter-notebook",
                    "version": 1,
                    "cells": [{"kind": 2, "document": f"cell:{number}"} for number in range(len(cells))],
                },
                "cellTextDocuments": [
                    {"uri": f"cell:{number}", "languageId": "python", "version": 1, "text": text}
                    for number, text in enumerate(cells)
                ],
            },
        )
        (item,) = await client.inline("cell:1", {"line": 0, "character": 5})
        assert item["insertText"] == "floor(2.5)"

    async def test_the_popups_entry_counts_as_typed(self, client: LspClient, uri: str) -> None:
        caret = client.open(uri, "items.app$0\n")
        params = at(uri, caret)
        params["context"]["selectedCompletionInfo"] = {
            "range": {"start": {"line": 0, "character": 6}, "end": caret},
            "text": "append",
        }
        (item,) = (await client.request(INLINE, params))["items"]
        assert (item["insertText"], item["range"]["start"]["character"]) == ("append(thing)", 6)


class TestTelling:
    async def test_the_status(self, client: LspClient) -> None:
        status = await client.request("mellum/status")
        assert set(status) == {"state", "message", "model", "engine", "index"}
        assert status["engine"] == {"pid": None, "mode": "scripted"}
        assert set(status["index"]) == {"files", "chunks", "state"}
        assert set(client.received("mellum/status")[-1]) == set(status)

    async def test_an_explanation_has_every_field_and_is_generated_now(
        self, client: LspClient, uri: str
    ) -> None:
        caret = client.open(uri, "slow = $0\n")
        assert await client.inline(uri, caret, kind=1)
        begun = asyncio.get_running_loop().time()
        answer = await client.request("mellum/explain", at(uri, caret))
        assert asyncio.get_running_loop().time() - begun > 0.5, "the cache would have been quicker"
        assert set(answer) == {
            *("prompt", "parts", "tokens", "chunks", "steps", "gate", "text", "reason", "timings"),
            *("model", "source"),
        }
        assert (answer["text"], answer["reason"]) == ("answer()", "")
        assert sum(part["tokens"] for part in answer["parts"]) == answer["tokens"]["prompt"]
        silent = await client.request("mellum/explain", at("file:///closed.py", caret))
        assert (set(silent), silent["reason"]) == (set(answer), "document closed")

    async def test_its_paths_are_relative_with_slashes(self, tmp_path: Path, script: str, uri: str) -> None:
        project = tmp_path / "project"
        (project / "shop").mkdir(parents=True)
        (project / "shop" / "prices.py").write_text("def price_of(product):\n    return product.price\n")
        (project / "shop" / "cart.py").write_text("price_of(product)\n")
        async with over_stdio(tmp_path, "--model", script) as (client, _):
            await client.initialize(workspaceFolders=[{"uri": project.as_uri(), "name": "project"}])
            await client.until(
                lambda: any(s["index"]["state"] == "ready" for s in client.received("mellum/status"))
            )
            uri = (project / "shop" / "cart.py").as_uri()
            caret = client.open(uri, "def total(product):\n    return price_of(product)$0\n")
            answer = await client.request("mellum/explain", at(uri, caret))
            assert [chunk["path"] for chunk in answer["chunks"]] == ["shop/prices.py"]
            assert {part["path"] for part in answer["parts"]} <= {"", "shop/prices.py", "shop/cart.py"}
            assert "<filename>shop/cart.py\n" in answer["prompt"]
            await client.end()

    async def test_every_silence_is_in_the_log_with_its_reason(
        self, client: LspClient, folder: Path, uri: str
    ) -> None:
        await text_at(client, uri, "short = $0\n", kind=2)
        caret = client.open(uri, "x = f$0oo\n")
        await client.inline(uri, caret)
        await client.complete(uri, caret)
        await client.inline("file:///closed.py", caret)
        log = folder / "state" / "mellum-lsp" / "server.log"
        async with asyncio.timeout(5):  # a thread of its own writes it
            for reason in ("too short", "mid-word", "inline completion in use", "document closed"):
                while f"nothing to show: {reason}" not in log.read_text():
                    await asyncio.sleep(0.01)


class TestFeedback:
    def events(self, folder: Path) -> list[tuple[str, int]]:
        """What was recorded of suggestions so far."""
        path = folder / "state" / "mellum-lsp" / "feedback.sqlite3"
        query = "SELECT kind, characters FROM events WHERE suggestion != '' ORDER BY rowid"
        if path.is_file():
            with (
                contextlib.suppress(sqlite3.OperationalError),  # its tables are not made yet
                contextlib.closing(sqlite3.connect(path)) as database,
            ):
                return database.execute(query).fetchall()
        return []

    async def test_every_item_reports_its_acceptance(self, tmp_path: Path, script: str, uri: str) -> None:
        async with over_stdio(tmp_path, "--model", script) as (client, process):
            await client.initialize()
            caret = client.open(uri, "def add(a, b):\n    $0\n")
            (item,) = await client.inline(uri, caret, kind=1)
            assert item["command"]["command"] == "mellum.accepted"
            client.notify("textDocument/didShowCompletion", {"item": item})
            client.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 6})
            await client.request("workspace/executeCommand", item["command"])
            await client.end()
            await asyncio.wait_for(process.wait(), 10)
        assert self.events(tmp_path) == [("shown", 12), ("partially accepted", 6), ("accepted", 12)]

    async def test_from_a_client_that_tells_nothing_it_is_inferred(
        self, tmp_path: Path, script: str, uri: str
    ) -> None:
        async with over_stdio(tmp_path, "--model", script) as (client, process):
            await client.initialize()
            caret = client.open(uri, "def add(a, b):\n    $0\n")
            await client.inline(uri, caret, kind=1)
            for character in "ret":
                client.edit(uri, caret, caret, character)
                caret = {"line": 1, "character": caret["character"] + 1}
                await client.inline(uri, caret)
            client.edit(uri, caret, caret, "urn a + b")
            await client.end()
            await asyncio.wait_for(process.wait(), 10)
        assert self.events(tmp_path) == [("shown", 12), ("typed through", 3), ("accepted", 9)]

    async def test_what_is_shown_at_the_end_was_shown(self, tmp_path: Path, script: str, uri: str) -> None:
        async with over_stdio(tmp_path, "--model", script) as (client, process):
            await client.initialize()
            for document in (uri, "untitled:shown-last"):
                await client.inline(document, client.open(document, "def add(a, b):\n    $0\n"), kind=1)
            await asyncio.sleep(0.2)  # as long as a ghost must be there to be seen
            client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
            await eventually(lambda: self.events(tmp_path) == [("shown", 12)])
            await client.end()
            await asyncio.wait_for(process.wait(), 10)
        assert self.events(tmp_path) == [("shown", 12), ("shown", 12)]
