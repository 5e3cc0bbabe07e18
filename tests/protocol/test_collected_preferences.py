"""What a user prefers to suggestions is kept where he has opted in, and only there."""

from __future__ import annotations

import asyncio

import pytest
from fake_backend import Lab
from lsp_client import LspClient, eventually

from mellum_lsp.completion.outcome import Item
from mellum_lsp.domain import Marker
from mellum_lsp.lsp import preferences

URI = "file:///project/a.py"
ON = {"collectPreferences": True}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "LOOKED_AT_AFTER_SECONDS", 0.01)


async def suggest(
    client: LspClient, options: dict[str, bool], text: str = "total = $0\nprint(total)\n"
) -> str:
    """Have ``sum(prices)`` suggested; the item's id."""
    await client.initialize(initializationOptions=options)
    (item,) = await client.inline(URI, client.open(URI, text))
    return str(item["command"]["arguments"][0])


async def write(client: LspClient, text: str, version: int = 2) -> None:
    change = {"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": text}]}
    client.notify("textDocument/didChange", change)


async def tell(client: LspClient, what: str, item: str) -> None:
    await client.request("workspace/executeCommand", {"command": f"mellum.{what}", "arguments": [item]})


@pytest.fixture
def lab(lab: Lab) -> Lab:
    lab.completer.item = Item("s", "sum(prices)")
    return lab


async def test_what_was_written_instead_of_a_refused_suggestion(fresh: LspClient, lab: Lab) -> None:
    item = await suggest(fresh, ON)
    await tell(fresh, "dismissed", item)
    await write(fresh, "total = max(0, subtotal)\nprint(total)\n")
    await eventually(lambda: lab.preferences)
    (kept,) = lab.preferences
    assert (kept.became, kept.shown, kept.written) == ("dismissed", "sum(prices)", "max(0, subtotal)")
    assert kept.prompt[0].segments == (Marker("<fim_prefix>"), "total = ")
    assert kept.language == "python"


async def test_what_an_accepted_suggestion_was_edited_to(fresh: LspClient, lab: Lab) -> None:
    item = await suggest(fresh, ON)
    await write(fresh, "total = sum(prices)\nprint(total)\n")
    await tell(fresh, "accepted", item)
    await write(fresh, "total = sum(prices) + tax\nprint(total)\n", 3)
    await eventually(lambda: lab.preferences)
    (kept,) = lab.preferences
    assert (kept.became, kept.written) == ("accepted", "sum(prices) + tax")


@pytest.mark.parametrize("options", [{}, {"collectPreferences": False}])
async def test_nothing_is_kept_unless_the_user_wants_it(
    fresh: LspClient, lab: Lab, options: dict[str, bool]
) -> None:
    item = await suggest(fresh, options)
    await tell(fresh, "dismissed", item)
    await write(fresh, "total = 0\nprint(total)\n")
    await asyncio.sleep(0.05)
    assert lab.preferences == []


async def test_a_secret_is_never_kept(fresh: LspClient, lab: Lab) -> None:
    item = await suggest(fresh, ON, "password = $0\nprint(1)\n")
    await tell(fresh, "dismissed", item)
    await write(fresh, 'password = "hunter2horse"\nprint(1)\n')
    await asyncio.sleep(0.05)
    assert lab.preferences == []
