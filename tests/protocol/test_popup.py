"""While an editor's popup is open, ghosts continue the entry that is selected there (VS Code)."""

from __future__ import annotations

from typing import Any

import pytest
from fake_backend import Lab
from lsp_client import LspClient, at

from mellum_lsp.completion.outcome import Item

URI = "file:///project/a.py"
INLINE = "textDocument/inlineCompletion"


def with_popup(caret: dict[str, int], start: int, text: str, end: int | None = None) -> dict[str, Any]:
    """Parameters of a request while the popup would replace the caret's line from ``start`` on."""
    params = at(URI, caret)
    params["context"]["selectedCompletionInfo"] = {
        "range": {
            "start": {"line": caret["line"], "character": start},
            "end": {"line": caret["line"], "character": caret["character"] if end is None else end},
        },
        "text": text,
    }
    return params


async def test_the_item_begins_with_the_selected_text_and_covers_its_range(
    client: LspClient, lab: Lab
) -> None:
    lab.completer.item = Item("id", "(a, b)", replace_after=0)
    caret = client.open(URI, "x = []\nx.app$0\n")
    (item,) = (await client.request(INLINE, with_popup(caret, 2, "append")))["items"]
    assert item["insertText"] == "append(a, b)"
    assert item["range"] == {"start": {"line": 1, "character": 2}, "end": {"line": 1, "character": 5}}
    assert "filterText" not in item


async def test_the_pipeline_is_asked_behind_it(client: LspClient, lab: Lab) -> None:
    caret = client.open(URI, "x.app$0 + 1\n")
    await client.request(INLINE, with_popup(caret, 2, "append"))
    seen = lab.completer.carets[-1]
    assert (seen.prefix, seen.suffix) == ("x.append", " + 1\n")


async def test_closers_behind_the_range_are_replaced_too(client: LspClient, lab: Lab) -> None:
    lab.completer.item = Item("id", ", b)", replace_after=1)
    caret = client.open(URI, "f(al$0)\n")
    (item,) = (await client.request(INLINE, with_popup(caret, 2, "alpha")))["items"]
    assert (item["insertText"], item["range"]["end"]["character"]) == ("alpha, b)", 5)


async def test_a_text_that_differs_from_what_was_typed_is_found_by_its_filter(
    client: LspClient, lab: Lab
) -> None:
    lab.completer.item = Item("id", "(1)")
    caret = client.open(URI, "x.APP$0\n")
    (item,) = (await client.request(INLINE, with_popup(caret, 2, "append")))["items"]
    assert item["filterText"] == "append(1)APP"


@pytest.mark.parametrize(("line", "start", "end"), [(0, 0, 1), (1, 0, 2)])
async def test_nothing_is_shown_where_it_would_come_elsewhere(
    client: LspClient, lab: Lab, line: int, start: int, end: int
) -> None:
    caret = client.open(URI, "x.app$0\nyz\n")
    params = with_popup(caret, start, "append", end)
    for place in params["context"]["selectedCompletionInfo"]["range"].values():
        place["line"] = line
    assert (await client.request(INLINE, params))["items"] == []
    assert lab.completer.carets == []
    assert (await client.request("mellum/status"))["message"] == "nothing to show: popup elsewhere"


async def test_nothing_is_shown_where_the_model_has_nothing_to_add(client: LspClient, lab: Lab) -> None:
    lab.completer.item = None
    caret = client.open(URI, "x.app$0\n")
    assert (await client.request(INLINE, with_popup(caret, 2, "append")))["items"] == []


@pytest.mark.parametrize(("typed", "fits"), [("e", True), ("x", False)])
async def test_an_answer_still_fits_what_was_typed_of_the_entry(
    client: LspClient, lab: Lab, typed: str, fits: bool
) -> None:
    lab.completer.gate.clear()
    lab.completer.item = Item("id", "(1)")
    caret = client.open(URI, "x.app$0\n")
    _, reply = client.begin(INLINE, with_popup(caret, 2, "append"))
    client.edit(URI, caret, caret, typed)
    await client.request("mellum/status")
    lab.completer.gate.set()
    assert bool((await reply)["items"]) is fits
