"""A completion server that the settings name decodes for the editor; the local model stands behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from completion_server import CompletionServer, serving
from lsp_client import LspClient, over_stdio
from tiny_gguf import write_tiny_gguf

URI = "file:///project/a.py"
ENGINE = {"mode": "own"}


@pytest.fixture
def server() -> Iterator[CompletionServer]:
    with serving(CompletionServer([("return", 0.99), (" left + right", 0.98)])) as running:
        yield running


@pytest.fixture
async def editor(server: CompletionServer, tmp_path: Path) -> AsyncIterator[LspClient]:
    async with over_stdio(tmp_path) as (client, _):
        await client.initialize(initializationOptions={"engine": ENGINE | {"url": server.address}})
        yield client


async def test_the_server_answers_and_the_status_says_so(editor: LspClient, server: CompletionServer) -> None:
    (item,) = await editor.inline(URI, editor.open(URI, "def add(left, right):\n    $0\n"), kind=1)
    assert item["insertText"] == "return left + right"
    status = await editor.request("mellum/status")
    assert status["engine"] == {"pid": None, "mode": "remote"}
    assert status["model"] == "mellum-4b-base"
    assert "<fim_prefix>def add(left, right):\n    <fim_middle>" in server.requests[-1]["prompt"]


async def test_an_address_on_this_machine_needs_no_notice(editor: LspClient) -> None:
    await editor.inline(URI, editor.open(URI, "def add(left, right):\n    $0\n"))
    shown = [params["message"] for method, params in editor.notifications if method == "window/showMessage"]
    assert shown == []


async def test_a_server_that_is_away_is_told_and_the_local_model_serves(tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "tiny.gguf", says=["return ", "a", " + ", "b"])
    async with over_stdio(tmp_path, "--model", str(model)) as (client, _):
        await client.initialize(initializationOptions={"engine": ENGINE | {"url": "http://127.0.0.1:9"}})
        (item,) = await client.inline(URI, client.open(URI, "def add(a, b):\n    $0\n"), kind=1)
        assert item["insertText"] == "return a + b"
        assert (await client.request("mellum/status"))["engine"]["mode"] == "own"
        shown = [params["message"] for name, params in client.notifications if name == "window/showMessage"]
        assert any("The local model serves until it is back" in message for message in shown)
