"""What became of suggestions: told by the client, or read from its documents."""

from __future__ import annotations

from typing import Any

import pytest
from clock import Clock
from fake_backend import Lab
from lsp_client import LspClient, ServerError

from mellum_lsp.completion.outcome import Item
from mellum_lsp.feedback.events import Kind

URI = "file:///project/a.py"
CAN_CONFIGURE = {"workspace": {"configuration": True}}
CAN_SHOW_PROGRESS = {"window": {"workDoneProgress": True}}


def told(lab: Lab) -> list[tuple[Kind, str, int]]:
    return [(event.kind, event.suggestion, event.characters) for event in lab.events]


class TestTold:
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

    async def test_parts_of_one_suggestion_add_up_whatever_is_typed_between_them(
        self, client: LspClient, lab: Lab
    ) -> None:
        """Every answer gives the rest a new id; the client tells of that, before it sends the change."""
        caret, rest = client.open(URI, "x = $0\n"), "f(values, 1)"
        for number, (taken, typed) in enumerate([("f", ""), ("(", ""), ("values", ", "), ("1)", "")]):
            lab.completer.item = Item(f"id-{number}", rest)
            await client.inline(URI, caret)
            whole = taken == rest
            command = "mellum.accepted" if whole else "mellum.partiallyAccepted"
            arguments = [f"id-{number}"] if whole else [f"id-{number}", len(taken)]
            await client.request("workspace/executeCommand", {"command": command, "arguments": arguments})
            caret = await insert(client, caret, taken)
            for key in typed:
                caret = await insert(client, caret, key)
            rest = rest[len(taken + typed) :]
        partial = [(Kind.PARTIALLY_ACCEPTED, "id-0", characters) for characters in (1, 2, 8)]
        end = [(Kind.ACCEPTED, "id-0", 10), (Kind.SHOWN, "id-0", 12), (Kind.TYPED_THROUGH, "id-0", 2)]
        assert told(lab) == [*partial, *end], "ten characters were taken and two were typed"

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
        await client.request("mellum/status")
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


@pytest.fixture
def clock(client: LspClient) -> Clock:
    """The time by which the session's suggestions are watched."""
    clock = Clock()
    client.server.session.feedback._now = clock
    return clock


async def insert(client: LspClient, place: dict[str, int], text: str) -> dict[str, int]:
    """Insert ``text`` (of one line) as an editor does, and wait until the server has seen it."""
    client.edit(URI, place, place, text)
    await client.request("mellum/status")
    return {"line": place["line"], "character": place["character"] + len(text)}


class TestInferred:
    """From a client that sends its documents and asks for completions, and no more."""

    async def test_shown_and_accepted(self, client: LspClient, lab: Lab, clock: Clock) -> None:
        caret = client.open(URI, "x = $0\n")
        await client.inline(URI, caret)
        clock.now = 1.0
        await insert(client, caret, "return a + b")
        assert told(lab) == [(Kind.SHOWN, "id-1", 12), (Kind.ACCEPTED, "id-1", 12)]
        assert {event.source for event in lab.events} == {"full"}

    async def test_typed_through(self, client: LspClient, lab: Lab, clock: Clock) -> None:
        """A request at every key, as editors do: the rest of a ghost is the same suggestion."""
        caret, text = client.open(URI, "x = $0\n"), "return a + b"
        for typed in range(6):
            lab.completer.item = Item(f"id-{typed}", text[typed:])
            await client.inline(URI, caret)
            clock.now += 0.2
            caret = await insert(client, caret, text[typed])
        await insert(client, caret, "!")
        assert told(lab) == [(Kind.SHOWN, "id-0", 12), (Kind.TYPED_THROUGH, "id-0", 6)]

    async def test_a_refusal_reaches_the_pipeline(self, client: LspClient, lab: Lab, clock: Clock) -> None:
        caret = client.open(URI, "x = $0\n")
        await client.inline(URI, caret)
        clock.now = 2.0
        await insert(client, caret, "y")
        assert told(lab) == [(Kind.SHOWN, "id-1", 12), (Kind.DISMISSED, "id-1", 12)]
        assert lab.completer.dismissals == ["id-1"]

    async def test_a_list_is_watched_like_a_ghost(self, client: LspClient, lab: Lab, clock: Clock) -> None:
        lab.completer.item = Item("id-1", "nt(total)")
        caret = client.open(URI, "pri$0\n")
        await client.complete(URI, caret)
        clock.now = 1.0
        client.edit(URI, {"line": 0, "character": 0}, caret, "print(total)")
        await client.request("mellum/status")
        assert told(lab) == [(Kind.SHOWN, "id-1", 9), (Kind.ACCEPTED, "id-1", 9)]

    async def test_closing_a_document_ends_its_ghost(self, client: LspClient, lab: Lab, clock: Clock) -> None:
        await client.inline(URI, client.open(URI, "x = $0\n"))
        clock.now = 1.0
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        await client.request("mellum/status")
        assert told(lab) == [(Kind.SHOWN, "id-1", 12)]

    async def test_what_the_client_tells_is_not_inferred_as_well(
        self, client: LspClient, lab: Lab, clock: Clock
    ) -> None:
        caret = client.open(URI, "x = $0\n")
        (item,) = await client.inline(URI, caret)
        clock.now = 1.0
        await client.request("workspace/executeCommand", {"command": "mellum.shown", "arguments": ["id-1"]})
        await insert(client, caret, "return a + b")
        await client.request("workspace/executeCommand", item["command"])
        assert told(lab) == [(Kind.SHOWN, "id-1", 12), (Kind.ACCEPTED, "id-1", 12)]


class TestDismissed:
    async def test_what_the_client_dismisses_reaches_the_pipeline(self, client: LspClient, lab: Lab) -> None:
        await client.inline(URI, client.open(URI, "$0"))
        for item_id in ("id-1", "never offered"):
            await client.request(
                "workspace/executeCommand", {"command": "mellum.dismissed", "arguments": [item_id]}
            )
        assert lab.completer.dismissals == ["id-1"]
