"""A suggestion's life where documents are unusual, undone, or open in two editors at once."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lsp_client import LspClient, at, over_stdio, session
from scripted import scripted

SCRIPT = [
    {"after": "def add(a, b):\n    ", "text": "return a + b\n"},
    {"after": "for name in names:\n    ", "text": "if name:\n        print('😀', name)\n"},
    {"after": "x = ", "text": "answer(1)\n"},
]
MEGABYTE = 1_000_000
LONG_SECONDS = 10.0
"""Far more than it takes; before it was bounded it took minutes, in which nobody was answered."""


@pytest.fixture
def model(tmp_path: Path) -> tuple[str, str]:
    return "--model", scripted(tmp_path, SCRIPT)


@pytest.fixture
async def client(tmp_path: Path, model: tuple[str, str]) -> AsyncIterator[LspClient]:
    async with session(tmp_path, *model) as (client, _):
        yield client


async def shown(client: LspClient, uri: str, caret: dict[str, int]) -> str:
    items = await client.inline(uri, caret)
    return items[0]["insertText"] if items else ""


@pytest.mark.parametrize("unit", ["value = call(argument, 'text😀') + ", "a", "([{", "'\""])
async def test_a_line_of_a_megabyte_neither_hangs_nor_slows_the_session(client: LspClient, unit: str) -> None:
    line = (unit * (MEGABYTE // len(unit) + 1))[:MEGABYTE]
    async with asyncio.timeout(LONG_SECONDS):
        for name, text in (
            ("end", f"{line}x = $0\n"),
            ("above", f"{line}\nx = $0\n"),
            ("behind", f"x = $0{line}"),
        ):
            uri = f"untitled:{name}"
            caret = client.open(uri, text)
            assert (await client.inline(uri, caret, kind=1))[0]["insertText"] == "answer(1)"
            client.edit(uri, caret, caret, "a")
            await client.inline(uri, {**caret, "character": caret["character"] + 1})
            await client.request("mellum/explain", at(uri, caret))


async def test_what_was_accepted_and_undone_is_offered_again(client: LspClient) -> None:
    uri = "file:///project/a.py"
    caret = client.open(uri, "def add(a, b):\n    $0\n")
    (item,) = await client.inline(uri, caret)
    client.edit(uri, caret, caret, item["insertText"])
    await client.request("workspace/executeCommand", item["command"])
    end = {"line": 1, "character": 4 + len(item["insertText"])}
    assert await shown(client, uri, end) == ""
    client.edit(uri, caret, end, "")  # undo
    assert await shown(client, uri, caret) == item["insertText"]
    client.edit(uri, caret, caret, item["insertText"])  # redo
    assert await shown(client, uri, end) == ""


async def test_a_ghost_is_taken_by_words_and_lines_in_a_file_of_windows(client: LspClient) -> None:
    """Every rest goes on where the part ended, in the file's own line endings."""
    uri = "file:///project/b.py"
    caret = client.open(uri, "# 🎉\r\nfor name in names:\r\n    $0\r\n")
    ghost = "if name:\r\n        print('😀', name)"
    assert await shown(client, uri, caret) == ghost
    for part, line, character in (
        ("if ", 2, 7),
        ("name:", 2, 12),
        ("\r\n        print('😀'", 3, 18),
        (", name)", 3, 25),
    ):
        client.edit(uri, caret, caret, part)
        caret, ghost = {"line": line, "character": character}, ghost.removeprefix(part)
        assert await shown(client, uri, caret) == ghost
    assert ghost == ""


async def test_what_cannot_be_saved_is_completed_too(client: LspClient, tmp_path: Path) -> None:
    file = tmp_path / "read-only.py"
    file.write_text("def add(a, b):\n    \n")
    file.chmod(0o444)
    for uri in (file.as_uri(), "git:/project/a.py?HEAD", "untitled:Untitled-1"):
        assert await shown(client, uri, client.open(uri, "def add(a, b):\n    $0\n")) == "return a + b"


async def test_two_editors_on_one_project(tmp_path: Path, model: tuple[str, str]) -> None:
    """Each has its own unsaved text, both see what is saved, and what both accept is counted."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "tax.py").write_text("def tax_rate(country):\n    return load_rates(country)\n")
    (project / "shop.py").write_text("")
    folders = [{"uri": project.as_uri(), "name": "project"}]
    shop = (project / "shop.py").as_uri()

    async def prompt(client: LspClient) -> str:
        caret = {"line": 3, "character": 17}
        return str((await client.request("mellum/explain", at(shop, caret)))["prompt"])

    async with over_stdio(tmp_path, *model) as editor, over_stdio(tmp_path, *model) as second:
        (one, _), (other, _) = editor, second
        for client in (one, other):
            await client.initialize(workspaceFolders=folders)
            await client.until_indexed()
            client.open(shop, "import tax\n\nrates = load_rates(country)\nrate = tax_rate(country)\n")
        tax = (project / "tax.py").as_uri()
        one.open(tax, "def tax_rate(country):\n    return load_rates(country)  # unsaved\n")
        async with asyncio.timeout(10):
            while "# unsaved" not in await prompt(one):
                await asyncio.sleep(0.02)
        assert "def tax_rate" in await prompt(other)
        assert "# unsaved" not in await prompt(other)
        (project / "tax.py").write_text("def tax_rate(country):\n    return load_rates(country)  # saved\n")
        async with asyncio.timeout(10):
            while "# saved" not in await prompt(other):
                await asyncio.sleep(0.02)
        for number, (client, process) in enumerate((editor, second)):
            uri = f"untitled:{number}"
            (item,) = await client.inline(uri, client.open(uri, "def add(a, b):\n    $0\n"))
            await client.request("workspace/executeCommand", item["command"])
            await client.end()
            await asyncio.wait_for(process.wait(), 10)
    database = tmp_path / "state" / "mellum-lsp" / "feedback.sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        accepted = "SELECT count(*), count(DISTINCT suggestion) FROM events WHERE kind = 'accepted'"
        assert connection.execute(accepted).fetchall() == [(2, 2)]
