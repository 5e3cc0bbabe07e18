"""Prompts are evaluated before anybody asks: where the caret rests, and in the documents opened last."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_backend import Lab
from lsp_client import LspClient, at, eventually

URI = "file:///project/a.py"


async def warmed(lab: Lab, number: int) -> list[tuple[str, int]]:
    """The documents and offsets that were warmed, once there are ``number``."""
    await eventually(lambda: len(lab.completer.warmed) >= number)
    return [(caret.path, caret.offset) for caret in lab.completer.warmed]


class TestRestingCaret:
    async def test_a_moved_caret_is_warmed(self, client: LspClient, lab: Lab) -> None:
        caret = client.open(URI, "x = $0")
        params = at(URI, caret)
        client.notify("mellum/didMoveCaret", params)
        assert await warmed(lab, 1) == [("a.py", 4)]

    async def test_only_the_newest_place_counts(self, client: LspClient, lab: Lab) -> None:
        begun: list[int] = []
        stopped: list[int] = []

        async def warm(caret: Any) -> None:
            begun.append(caret.offset)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopped.append(caret.offset)
                raise

        lab.completer.warm = warm
        client.open(URI, "abc")
        for character in range(3):
            client.notify("mellum/didMoveCaret", at(URI, {"line": 0, "character": character}))
            await eventually(lambda character=character: character in begun)
        assert (begun, stopped) == ([0, 1, 2], [0, 1])


class TestOpenedDocuments:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mellum_lsp.lsp.warming.OPENED_SECONDS", 0.02)

    async def test_an_opened_document_is_warmed_at_its_beginning(self, client: LspClient, lab: Lab) -> None:
        client.open(URI, "import os\n")
        assert await warmed(lab, 1) == [("a.py", 0)]

    async def test_opened_again_where_the_caret_was(self, client: LspClient, lab: Lab) -> None:
        await client.inline(URI, client.open(URI, "import os\nx$0"))
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        client.open(URI, "import os\nx = 1")
        assert await warmed(lab, 1) == [("a.py", 11)]

    async def test_of_a_hundred_only_the_last(self, client: LspClient, lab: Lab) -> None:
        for number in range(100):
            client.open(f"file:///project/{number}.py", "x")
        await warmed(lab, 2)
        await asyncio.sleep(0.05)
        assert await warmed(lab, 2) == [("99.py", 0), ("98.py", 0)]

    async def test_not_where_the_caret_is_known_already(self, client: LspClient, lab: Lab) -> None:
        caret = client.open(URI, "abc$0")
        client.notify("mellum/didMoveCaret", at(URI, caret))
        await asyncio.sleep(0.05)
        assert await warmed(lab, 1) == [("a.py", 3)]

    async def test_nor_one_that_was_closed_meanwhile(self, client: LspClient, lab: Lab) -> None:
        client.open(URI, "abc")
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        client.open("file:///project/b.py", "abc")
        assert await warmed(lab, 1) == [("b.py", 0)]
