"""What clients tell besides their documents: what became of suggestions, and where the caret stands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_backend import Lab
from lsp_client import LspClient, ServerError, at

from mellum_lsp.completion.outcome import Item
from mellum_lsp.feedback.events import Kind

URI = "file:///project/a.py"
CAN_CONFIGURE = {"workspace": {"configuration": True}}
CAN_SHOW_PROGRESS = {"window": {"workDoneProgress": True}}


def told(lab: Lab) -> list[tuple[Kind, str, int]]:
    return [(event.kind, event.suggestion, event.characters) for event in lab.events]


class TestFeedback:
    async def test_commands_tell_what_became_of_a_suggestion(self, client: LspClient, lab: Lab) -> None:
        lab.completer.item = Item("id", "😀 = 1\nx", 0)
        (item,) = await client.inline(URI, client.open(URI, "$0"))
        assert await client.request("workspace/executeCommand", item["command"]) is None
        for command, arguments in (("shown", []), ("partiallyAccepted", [4]), ("dismissed", [])):
            await client.request(
                "workspace/executeCommand", {"command": f"mellum.{command}", "arguments": ["id", *arguments]}
            )
        assert told(lab) == [
            (Kind.ACCEPTED, "id", 7),
            (Kind.SHOWN, "id", 7),
            (Kind.PARTIALLY_ACCEPTED, "id", 3),  # four UTF-16 units
            (Kind.DISMISSED, "id", 7),
        ]
        event = lab.events[0]
        assert (event.language, event.lines, event.probability) == ("python", 2, 0.9)

    async def test_what_was_never_suggested_is_not_recorded(self, client: LspClient, lab: Lab) -> None:
        accepted = {"command": "mellum.accepted", "arguments": ["password = 'hunter2'"]}
        assert await client.request("workspace/executeCommand", accepted) is None
        assert lab.events == []

    async def test_nothing_is_recorded_where_the_user_does_not_want_it(
        self, fresh: LspClient, lab: Lab
    ) -> None:
        await fresh.initialize(initializationOptions={"feedback": False})
        (item,) = await fresh.inline(URI, fresh.open(URI, "$0"))
        await fresh.request("workspace/executeCommand", item["command"])
        assert lab.events == []

    async def test_every_command_is_advertised(self, client: LspClient) -> None:
        assert client.capabilities["executeCommandProvider"]["commands"] == [
            "mellum.accepted",
            "mellum.shown",
            "mellum.partiallyAccepted",
            "mellum.dismissed",
        ]

    async def test_copilots_notifications_are_understood(self, client: LspClient, lab: Lab) -> None:
        (item,) = await client.inline(URI, client.open(URI, "$0"))
        client.notify("textDocument/didShowCompletion", {"item": item})
        client.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 6})
        client.notify("textDocument/didShowCompletion", {"item": {"insertText": "x"}})
        await asyncio.sleep(0.01)
        assert told(lab) == [(Kind.SHOWN, "id-1", 12), (Kind.PARTIALLY_ACCEPTED, "id-1", 6)]

    @pytest.mark.parametrize(
        "params",
        [
            {"command": "mellum.unknown", "arguments": ["x"]},
            {"command": "mellum.accepted"},
            {"command": "mellum.accepted", "arguments": [{"id": 1}]},
        ],
    )
    async def test_other_commands_are_refused(self, client: LspClient, params: dict[str, Any]) -> None:
        with pytest.raises(ServerError) as error:
            await client.request("workspace/executeCommand", params)
        assert error.value.code == -32602


class TestWarming:
    async def test_a_moved_caret_is_warmed(self, client: LspClient, lab: Lab) -> None:
        caret = client.open(URI, "x = $0")
        params = at(URI, caret)
        client.notify("mellum/didMoveCaret", params)
        await asyncio.sleep(0.01)
        assert [seen.offset for seen in lab.completer.warmed] == [4]

    async def test_only_the_newest_place_counts(self, client: LspClient, lab: Lab) -> None:
        stopped: list[int] = []

        async def warm(caret: Any) -> None:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                stopped.append(caret.offset)
                raise

        lab.completer.warm = warm
        client.open(URI, "abc")
        for character in range(3):
            client.notify("mellum/didMoveCaret", at(URI, {"line": 0, "character": character}))
            await asyncio.sleep(0.01)
        assert stopped == [0, 1]
