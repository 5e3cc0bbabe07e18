"""What the user sees of the server's state, and what it offers to whom."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from typing import Any

import pytest
from fake_backend import FakeIndexStatus, Lab
from lsp_client import LspClient, ServerError, eventually

from mellum_lsp.engine.interface import EngineCrashed, ModelMissing
from mellum_lsp.engine.scripted import Pause, ScriptedEngine

URI = "file:///project/a.py"
CAN_CONFIGURE = {"workspace": {"configuration": True}}
CAN_SHOW_PROGRESS = {"window": {"workDoneProgress": True}}


class TestProgress:
    async def test_loading_is_shown_with_tokens_of_its_own(self, fresh: LspClient, lab: Lab) -> None:
        lab.engine = ScriptedEngine(load=Pause(0.1))
        await fresh.initialize(capabilities=CAN_SHOW_PROGRESS)
        await fresh.until(lambda: any(p["value"]["kind"] == "end" for p in fresh.received("$/progress")))
        values = fresh.received("$/progress")
        ((method, created),) = fresh.asked
        assert method == "window/workDoneProgress/create"
        assert {value["token"] for value in values} == {created["token"]}
        uuid.UUID(created["token"])
        kinds = [value["value"]["kind"] for value in values]
        assert (kinds[0], kinds[-1], set(kinds[1:-1]) <= {"report"}) == ("begin", "end", True)
        assert values[0]["value"]["title"] == "Loading fake"

    async def test_indexing_is_shown_each_time_anew(self, fresh: LspClient, lab: Lab) -> None:
        await fresh.initialize(capabilities=CAN_SHOW_PROGRESS)
        await fresh.until_ready()

        def tokens(kind: str) -> set[str]:
            told = fresh.received("$/progress")
            return {value["token"] for value in told if value["value"]["kind"] == kind}

        for number in (1, 2):
            lab.index.on_status(FakeIndexStatus(1, 2, "indexing"))
            await eventually(lambda number=number: len(tokens("begin")) == number)
            lab.index.on_status(FakeIndexStatus(5, 9, "ready"))
            await eventually(lambda number=number: len(tokens("end")) == number)
        assert tokens("begin") == tokens("end")

    async def test_work_that_is_done_before_it_can_be_shown_is_not_shown(self, fresh: LspClient) -> None:
        await fresh.initialize(capabilities=CAN_SHOW_PROGRESS)
        await fresh.until_ready()
        await asyncio.sleep(0.02)
        assert fresh.asked
        assert fresh.received("$/progress") == []

    async def test_a_client_that_refuses_progress_gets_none(self, fresh: LspClient, lab: Lab) -> None:
        def refuse(params: Any) -> None:
            raise ServerError({"code": -32603, "message": "no"})

        fresh.answers["window/workDoneProgress/create"] = refuse
        lab.engine = ScriptedEngine(load=Pause(0.05))
        await fresh.initialize(capabilities=CAN_SHOW_PROGRESS)
        await fresh.until_ready()
        await asyncio.sleep(0.02)
        assert fresh.received("$/progress") == []

    async def test_a_client_that_shows_none_is_not_bothered(self, client: LspClient) -> None:
        assert client.asked == []
        assert client.received("$/progress") == []


class TestStatus:
    async def test_the_request_and_the_notification_tell_the_same(self, client: LspClient, lab: Lab) -> None:
        lab.index.now = FakeIndexStatus(3, 7, "ready")
        expected = {
            "state": "ready",
            "message": "",
            "model": "fake",
            "engine": {"pid": None, "mode": "own"},
            "index": {"files": 3, "chunks": 7, "state": "ready"},
        }
        assert await client.request("mellum/status") == expected
        lab.index.on_status(lab.index.now)
        await client.until(lambda: expected in client.received("mellum/status"))

    async def test_nothing_is_told_twice_in_a_row(self, client: LspClient) -> None:
        caret = client.open(URI, "$0")
        for _ in range(3):
            await client.inline(URI, caret)
            await asyncio.sleep(0.01)
        told = client.received("mellum/status")
        assert all(one != other for one, other in itertools.pairwise(told))

    async def test_silence_says_its_reason(self, client: LspClient, lab: Lab) -> None:
        lab.completer.item = None
        await client.inline(URI, client.open(URI, "$0"))
        assert (await client.request("mellum/status"))["message"] == "nothing to show: gated p=0.20"

    async def test_a_model_that_is_missing_is_told_with_its_hint(self, fresh: LspClient, lab: Lab) -> None:
        lab.engine = ScriptedEngine(load=ModelMissing("there is no model\nhint: get one"))
        await fresh.initialize()
        await fresh.until(lambda: fresh.received("window/showMessage"))
        (message,) = fresh.received("window/showMessage")
        assert message == {"type": 1, "message": "mellum-lsp: there is no model\nhint: get one"}
        status = await fresh.request("mellum/status")
        assert (status["state"], status["message"]) == ("failed", "there is no model\nhint: get one")

    async def test_trouble_of_the_engine_is_shown_once_and_ends_with_the_next_answer(
        self, client: LspClient, lab: Lab
    ) -> None:
        caret = client.open(URI, "$0")
        for _ in range(2):
            lab.tell_engine_error(EngineCrashed("the engine ended"))
        assert (await client.request("mellum/status"))["state"] == "failed"
        assert len(client.received("window/showMessage")) == 1
        await client.inline(URI, caret)
        assert (await client.request("mellum/status"))["state"] == "ready"


class TestCapabilities:
    @pytest.mark.parametrize(
        "capabilities",
        [
            {},
            None,
            [],
            {"textDocument": {"inlineCompletion": None}},
            {"textDocument": 5, "window": "x", "workspace": [], "general": None},
            {"notebookDocument": {"synchronization": {}}},
        ],
    )
    async def test_both_methods_are_offered_to_everyone(self, fresh: LspClient, capabilities: object) -> None:
        await fresh.initialize(capabilities=capabilities)
        assert fresh.capabilities["inlineCompletionProvider"] == {}
        assert fresh.capabilities["completionProvider"]["triggerCharacters"]
        assert fresh.capabilities["textDocumentSync"]["change"] == 2
        assert fresh.capabilities["workspace"]["workspaceFolders"] == {
            "supported": True,
            "changeNotifications": True,
        }
        assert fresh.capabilities["notebookDocumentSync"]["notebookSelector"]
