"""Every request gets exactly one reply: superseded, cancelled, failing, too early or too late.

The client of these tests checks at its end that nothing was left unanswered and nothing answered twice.
"""

from __future__ import annotations

import asyncio
import logging

import pytest
from fake_backend import Lab
from lsp_client import LspClient, ServerError, at, eventually

URI = "file:///project/a.py"
INLINE, COMPLETION = "textDocument/inlineCompletion", "textDocument/completion"
EMPTY = {INLINE: {"items": []}, COMPLETION: {"isIncomplete": True, "items": []}}


class TestSuperseding:
    @pytest.mark.parametrize("method", [INLINE, COMPLETION])
    async def test_a_newer_request_of_the_same_document_and_method_empties_the_older(
        self, client: LspClient, lab: Lab, method: str
    ) -> None:
        lab.completer.gate.clear()
        caret = client.open(URI, "$0")
        _, older = client.begin(method, at(URI, caret))
        await eventually(lambda: lab.completer.carets)
        _, newer = client.begin(method, at(URI, caret))
        assert await older == EMPTY[method]
        assert not newer.done()
        lab.completer.gate.set()
        assert (await newer)["items"]
        assert lab.completer.withdrawn == 1

    async def test_the_pipeline_sees_the_newer_wish_before_the_older_goes(
        self, client: LspClient, lab: Lab
    ) -> None:
        """Otherwise a generation that serves both would be aborted in between."""
        lab.completer.gate.clear()
        waiting: list[int] = []
        complete = lab.completer.complete

        async def counted(caret, settle_seconds):
            waiting.append(len(lab.completer.carets) - lab.completer.withdrawn)
            return await complete(caret, settle_seconds)

        lab.completer.complete = counted
        caret = client.open(URI, "$0")
        for number in (1, 2):
            client.begin(INLINE, at(URI, caret))
            await eventually(lambda number=number: len(waiting) == number)
        assert waiting == [0, 1]
        lab.completer.gate.set()

    async def test_other_documents_and_methods_are_left_alone(self, client: LspClient, lab: Lab) -> None:
        lab.completer.gate.clear()
        caret = client.open(URI, "$0")
        client.open("file:///project/b.py", "$0")
        replies = [
            client.begin(COMPLETION, at(URI, caret))[1],
            client.begin(INLINE, at(URI, caret))[1],
            client.begin(INLINE, at("file:///project/b.py", caret))[1],
            client.begin("mellum/explain", at(URI, caret))[1],
            client.begin("mellum/explain", at(URI, caret))[1],
        ]
        await eventually(lambda: len(lab.completer.carets) == len(replies))
        lab.completer.gate.set()
        answers = await asyncio.gather(*replies)
        assert all(answer.get("items") or answer.get("text") for answer in answers)


class TestCancelling:
    async def test_the_client_hears_that_its_request_was_cancelled_and_the_waiter_is_withdrawn(
        self, client: LspClient, lab: Lab
    ) -> None:
        lab.completer.gate.clear()
        request_id, reply = client.begin(INLINE, at(URI, client.open(URI, "$0")))
        await eventually(lambda: lab.completer.carets)
        client.cancel(request_id)
        with pytest.raises(ServerError) as error:
            await reply
        assert error.value.code == -32800
        await eventually(lambda: lab.completer.withdrawn == 1)

    async def test_cancelling_in_the_same_breath_works_too(self, client: LspClient, lab: Lab) -> None:
        request_id, reply = client.begin(INLINE, at(URI, client.open(URI, "$0")))
        client.cancel(request_id)
        with pytest.raises(ServerError):
            await reply
        assert lab.completer.carets == []

    @pytest.mark.parametrize("request_id", [999, "x", None, [1], {"a": 1}, 1.5])
    async def test_cancelling_what_is_not_under_way_is_ignored(
        self, client: LspClient, request_id: object
    ) -> None:
        client.cancel(request_id)
        client.notify("$/cancelRequest", None)
        assert await client.inline(URI, client.open(URI, "$0"))


class TestLife:
    async def test_before_initialize_nothing_is_served(self, fresh: LspClient) -> None:
        with pytest.raises(ServerError) as error:
            await fresh.inline(URI, {"line": 0, "character": 0})
        assert error.value.code == -32002
        fresh.open(URI, "x")
        await fresh.initialize()
        assert await fresh.inline(URI, {"line": 0, "character": 0}) == []

    async def test_initialize_comes_once(self, client: LspClient) -> None:
        with pytest.raises(ServerError) as error:
            await client.request("initialize", {"capabilities": {}})
        assert error.value.code == -32600

    async def test_shutdown_answers_what_is_under_way_and_then_nothing_is_served(
        self, client: LspClient, lab: Lab
    ) -> None:
        lab.completer.gate.clear()
        caret = client.open(URI, "$0")
        _, inline = client.begin(INLINE, at(URI, caret))
        assert await client.request("shutdown") is None
        assert inline.result() == {"items": []}
        with pytest.raises(ServerError) as error:
            await client.inline(URI, caret)
        assert error.value.code == -32600

    @pytest.mark.parametrize(("orderly", "code"), [(True, 0), (False, 1)])
    async def test_the_exit_code_says_whether_shutdown_came_first(
        self, client: LspClient, lab: Lab, orderly: bool, code: int
    ) -> None:
        lab.completer.gate.clear()
        _, open_request = client.begin(INLINE, at(URI, client.open(URI, "$0")))
        if orderly:
            await client.request("shutdown")
        client.notify("exit")
        _, late = client.begin("mellum/status")
        assert await client.server.finished() == code
        assert await open_request == {"items": []}
        with pytest.raises(ServerError):
            await late


class TestFailures:
    async def test_a_bug_in_a_handler_is_an_answer_too(self, client: LspClient, lab: Lab) -> None:
        client.server.session.caret = None  # calling it raises
        caret = client.open(URI, "$0")
        assert await client.inline(URI, caret) == []
        client.server.session.status_document = None
        with pytest.raises(ServerError) as error:
            await client.request("mellum/status")
        assert error.value.code == -32603

    async def test_a_result_that_is_no_json_is_an_answer_too(self, client: LspClient) -> None:
        client.server.session.status_document = lambda: {"x": float("nan")}
        with pytest.raises(ServerError) as error:
            await client.request("mellum/status")
        assert error.value.code == -32603

    async def test_source_text_stays_out_of_the_log(
        self, client: LspClient, lab: Lab, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "mellum_lsp")
        lab.completer.error = RuntimeError("password = 'hunter2'")
        await client.inline(URI, client.open(URI, "password = 'hunter2'$0"))
        client.notify("textDocument/didOpen", {"textDocument": {"uri": 1, "text": "hunter2"}})
        client.notify("textDocument/didChange", {"contentChanges": ["hunter2"]})
        with pytest.raises(ServerError):
            await client.request("textDocument/completion", {"hunter2": "hunter2"})
        assert "RuntimeError" in caplog.text
        assert "hunter2" not in caplog.text
