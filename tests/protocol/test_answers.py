"""What clients get to see: items, their ranges, and nothing at all."""

from __future__ import annotations

import asyncio

import pytest
from fake_backend import Lab
from lsp_client import LspClient, at, eventually

from mellum_lsp.completion.outcome import Item
from mellum_lsp.conformance.checks.items import EXPLANATION
from mellum_lsp.domain import Trigger

URI = "file:///project/a.py"


class TestInlineCompletion:
    async def test_an_item_inserts_at_the_caret_and_reports_its_acceptance(self, client: LspClient) -> None:
        caret = client.open(URI, "def add(a, b):\n    $0\n")
        assert await client.inline(URI, caret) == [
            {
                "insertText": "return a + b",
                "range": {"start": caret, "end": caret},
                "command": {"title": "Accepted", "command": "mellum.accepted", "arguments": ["id-1"]},
            }
        ]

    async def test_closers_behind_the_caret_are_replaced_in_the_clients_units(
        self, client: LspClient, lab: Lab
    ) -> None:
        lab.completer.item = Item("id", "'😀', 2)", replace_after=1)
        caret = client.open(URI, "print('😀', $0)\n")
        (item,) = await client.inline(URI, caret)
        assert item["range"] == {"start": {"line": 0, "character": 12}, "end": {"line": 0, "character": 13}}
        assert "filterText" not in item

    async def test_what_is_replaced_and_not_repeated_is_still_in_the_filter_text(
        self, client: LspClient, lab: Lab
    ) -> None:
        lab.completer.item = Item("id", "]", replace_after=1)
        (item,) = await client.inline(URI, client.open(URI, "f($0)"))
        assert item["filterText"] == "])"

    async def test_lines_end_as_they_do_in_the_document(self, client: LspClient, lab: Lab) -> None:
        lab.completer.item = Item("id", "x\ny")
        (item,) = await client.inline(URI, client.open(URI, "a\r\n$0\r\n"))
        assert item["insertText"] == "x\r\ny"

    async def test_neovim_gets_plain_newlines(self, fresh: LspClient, lab: Lab) -> None:
        lab.completer.item = Item("id", "x\ny")
        await fresh.initialize(clientInfo={"name": "Neovim", "version": "0.12.4"})
        (item,) = await fresh.inline(URI, fresh.open(URI, "a\r\n$0\r\n"))
        assert item["insertText"] == "x\ny"

    async def test_nothing_to_show_is_an_empty_list(self, client: LspClient, lab: Lab) -> None:
        lab.completer.item = None
        assert await client.inline(URI, client.open(URI, "$0")) == []

    async def test_a_failing_completer_is_an_empty_list_too(self, client: LspClient, lab: Lab) -> None:
        lab.completer.error = RuntimeError("a bug")
        assert await client.inline(URI, client.open(URI, "$0")) == []

    async def test_a_document_that_is_not_open_has_no_completions(self, client: LspClient) -> None:
        assert await client.inline("file:///nowhere.py", {"line": 0, "character": 0}) == []

    @pytest.mark.parametrize(("kind", "trigger"), [(1, Trigger.INVOKED), (2, Trigger.AUTOMATIC)])
    async def test_the_pipeline_learns_who_asked(
        self, client: LspClient, lab: Lab, kind: int, trigger: Trigger
    ) -> None:
        await client.inline(URI, client.open(URI, "$0"), kind)
        assert lab.completer.carets[-1].trigger is trigger

    @pytest.mark.parametrize(("typed", "shown"), [("ret", True), ("x = ", False)])
    async def test_an_answer_is_shown_where_only_its_beginning_was_typed_meanwhile(
        self, client: LspClient, lab: Lab, typed: str, shown: bool
    ) -> None:
        lab.completer.gate.clear()
        caret = client.open(URI, "$0")
        _, reply = client.begin("textDocument/inlineCompletion", at(URI, caret))
        await eventually(lambda: lab.completer.carets)
        client.edit(URI, caret, caret, typed)
        lab.completer.gate.set()
        assert bool((await reply)["items"]) is shown


class TestCompletion:
    async def test_an_item_holds_the_typed_word_and_shows_the_code(self, client: LspClient, lab: Lab) -> None:
        lab.completer.item = Item("id", "nt(total)\nreturn total", replace_after=1)
        caret = client.open(URI, "    pri$0)\n")
        (item,) = await client.complete(URI, caret)
        assert item["label"] == "print(total) …"
        assert item["filterText"] == "pri"
        assert item["textEdit"] == {
            "range": {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 8}},
            "newText": "print(total)\nreturn total",
        }
        assert item["insertText"] == item["textEdit"]["newText"]
        assert item["detail"] == "mellum, 2 lines"
        assert item["documentation"] == {
            "kind": "markdown",
            "value": "```python\n    print(total)\nreturn total\n```",
        }
        assert item["command"]["arguments"] == ["id"]

    async def test_the_code_is_shown_without_the_indentation_that_it_has_in_common(
        self, client: LspClient, lab: Lab
    ) -> None:
        lab.completer.item = Item("id", "if a:\n\n            return b")
        (item,) = await client.complete(URI, client.open(URI, "def f():\n        $0"))
        assert item["documentation"]["value"] == "```python\nif a:\n\n    return b\n```"
        assert item["detail"] == "mellum, 3 lines"

    async def test_a_text_that_begins_with_a_line_break_has_a_readable_label(
        self, client: LspClient, lab: Lab
    ) -> None:
        lab.completer.item = Item("id", "\n    return 1")
        (item,) = await client.complete(URI, client.open(URI, "def f():$0"))
        assert item["label"] == "return 1"

    async def test_backticks_in_the_code_do_not_end_its_fence(self, client: LspClient, lab: Lab) -> None:
        lab.completer.item = Item("id", '"""```"""')
        (item,) = await client.complete(URI, client.open(URI, "x = $0"))
        assert item["documentation"]["value"].startswith("````python\n")

    async def test_nothing_to_show_is_an_empty_incomplete_list(self, client: LspClient, lab: Lab) -> None:
        lab.completer.item = None
        assert await client.complete(URI, client.open(URI, "$0")) == []

    async def test_the_list_stays_free_once_inline_completions_are_used_in_the_document(
        self, client: LspClient
    ) -> None:
        caret = client.open(URI, "$0")
        other = client.open("file:///project/b.py", "$0")
        assert await client.complete(URI, caret) != []
        await client.inline(URI, caret)
        assert await client.complete(URI, caret) == []
        assert await client.complete("file:///project/b.py", other) != []

    async def test_a_document_opened_again_begins_anew(self, client: LspClient) -> None:
        await client.inline(URI, client.open(URI, "$0"))
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        assert await client.complete(URI, client.open(URI, "$0")) != []

    @pytest.mark.parametrize(
        ("text", "kind", "trigger"),
        [
            ("pri$0", 1, Trigger.AUTOMATIC),  # an editor that asks while a word is typed says "invoked" too
            ("x = $0", 1, Trigger.INVOKED),
            ("x.$0", 2, Trigger.AUTOMATIC),
        ],
    )
    async def test_only_away_from_a_word_does_invoked_mean_that_the_user_asked(
        self, client: LspClient, lab: Lab, text: str, kind: int, trigger: Trigger
    ) -> None:
        await client.complete(URI, client.open(URI, text), kind)
        assert lab.completer.carets[-1].trigger is trigger


class TestEncodings:
    @pytest.mark.parametrize(
        ("offered", "chosen", "column"),
        [
            (["utf-8", "utf-16"], "utf-8", 9),
            (["utf-32"], "utf-32", 6),
            (["utf-7", "utf-16"], "utf-16", 7),
            (None, "utf-16", 7),
            ("nonsense", "utf-16", 7),
        ],
    )
    async def test_the_client_chooses_what_columns_count(
        self, fresh: LspClient, lab: Lab, offered: object, chosen: str, column: int
    ) -> None:
        await fresh.initialize(capabilities={"general": {"positionEncodings": offered}})
        assert fresh.capabilities["positionEncoding"] == chosen
        fresh.open(URI, "x = '😀'")
        caret = {"line": 0, "character": column}
        (item,) = await fresh.inline(URI, caret)
        assert lab.completer.carets[-1].prefix == "x = '😀"
        assert item["range"]["start"] == caret


class TestExplain:
    async def test_every_field_is_there(self, client: LspClient) -> None:
        caret = client.open(URI, "$0")
        answer = await client.request("mellum/explain", at(URI, caret))
        assert {key: type(value) for key, value in answer.items()} == EXPLANATION
        assert set(answer["tokens"]) == {"prompt", "reused", "evaluated", "generated"}
        assert set(answer["gate"]) == {"probability", "threshold"}
        assert answer["text"] == "return a + b"

    async def test_also_where_nothing_is_open(self, client: LspClient) -> None:
        answer = await client.request("mellum/explain", at("file:///x", {"line": 0, "character": 0}))
        assert {key: type(value) for key, value in answer.items()} == EXPLANATION
        assert answer["reason"] == "document closed"

    async def test_also_where_the_pipeline_fails(self, client: LspClient, lab: Lab) -> None:
        lab.completer.error = RuntimeError("a bug")
        answer = await client.request("mellum/explain", at(URI, client.open(URI, "$0")))
        assert answer["reason"] == "internal error"


class TestSettling:
    """Clients with lists that ask at every key wait as long as the user's rhythm allows; others never."""

    async def typed(self, client: LspClient, kind: str) -> None:
        """Type ten characters, each followed by a request, in the rhythm of a session's clock that stands."""
        caret = client.open(URI, "$0")
        for _ in range(10):
            client.edit(URI, caret, caret, "x")
            caret = {"line": 0, "character": caret["character"] + 1}
            await (client.complete if kind == "list" else client.inline)(URI, caret, 2)
            await asyncio.sleep(0.02)

    async def test_a_list_waits_once_the_rhythm_is_known(self, client: LspClient, lab: Lab) -> None:
        await self.typed(client, "list")
        assert lab.completer.settled[0] == 0
        assert 0 < lab.completer.settled[-1] <= 0.15

    async def test_one_that_the_user_asked_for_does_not(self, client: LspClient, lab: Lab) -> None:
        await self.typed(client, "list")
        client.edit(URI, {"line": 0, "character": 10}, {"line": 0, "character": 10}, " ")
        await client.complete(URI, {"line": 0, "character": 11}, 1)
        assert lab.completer.settled[-1] == 0

    async def test_a_ghost_never_waits(self, client: LspClient, lab: Lab) -> None:
        await self.typed(client, "ghost")
        assert set(lab.completer.settled) == {0}
