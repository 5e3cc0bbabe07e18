"""A session's surroundings: settings, folders, notebooks, progress, status, feedback, the index."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest
from fake_backend import FakeIndexStatus, Lab
from lsp_client import LspClient, ServerError, at

from mellum_lsp.completion.outcome import Item
from mellum_lsp.engine.interface import EngineCrashed, ModelMissing
from mellum_lsp.engine.scripted import Pause, ScriptedEngine
from mellum_lsp.feedback.events import Kind
from mellum_lsp.lsp.settings import Settings

URI = "file:///project/a.py"
CAN_CONFIGURE = {"workspace": {"configuration": True}}
CAN_SHOW_PROGRESS = {"window": {"workDoneProgress": True}}


def folder(path: str) -> dict[str, str]:
    return {"uri": f"file://{path}", "name": Path(path).name}


class TestSettings:
    async def test_initialization_options_are_the_settings_themselves(
        self, fresh: LspClient, lab: Lab
    ) -> None:
        await fresh.initialize(initializationOptions={"maxLines": 3, "engine": {"threads": 2}})
        await fresh.until_ready()
        ((settings, _, _),) = lab.builds
        assert (settings.max_lines, settings.engine.threads) == (3, 2)

    async def test_a_client_that_can_be_asked_is_asked_and_has_the_last_word(
        self, fresh: LspClient, lab: Lab
    ) -> None:
        fresh.answers["workspace/configuration"] = lambda params: [{"gate": 0.9}]
        await fresh.initialize(capabilities=CAN_CONFIGURE, initializationOptions={"gate": 0.1, "maxLines": 3})
        await fresh.until_ready()
        ((settings, _, _),) = lab.builds
        assert (settings.gate, settings.max_lines) == (0.9, 3)
        assert ("workspace/configuration", {"items": [{"section": "mellum"}]}) in fresh.asked

    @pytest.mark.parametrize("answer", [None, [], [None], "x", [[]]])
    async def test_no_answer_leaves_the_initialization_options(
        self, fresh: LspClient, lab: Lab, answer: object
    ) -> None:
        fresh.answers["workspace/configuration"] = lambda params: answer
        await fresh.initialize(capabilities=CAN_CONFIGURE)
        await fresh.until_ready()
        assert lab.builds[0][0] == Settings()

    async def test_a_bad_value_is_explained_and_the_rest_counts(self, fresh: LspClient, lab: Lab) -> None:
        await fresh.initialize(initializationOptions={"gate": "high", "maxLine": 1, "maxLines": 5})
        await fresh.until_ready()
        messages = [params["message"] for params in fresh.received("window/showMessage")]
        assert messages == [
            "mellum-lsp: settings: gate: expected `float`, got `str`; its default 0.5 is used",
            "mellum-lsp: settings: there is no setting maxLine; did you mean maxLines?",
        ]
        assert lab.builds[0][0].max_lines == 5

    async def test_a_mistake_is_told_once(self, client: LspClient) -> None:
        for lines in (3, 4):
            settings = {"gate": "high", "maxLines": lines}
            client.notify("workspace/didChangeConfiguration", {"settings": settings})
            await asyncio.sleep(0.02)
        assert len(client.received("window/showMessage")) == 1

    async def test_pushed_changes_reach_the_running_pipeline(self, client: LspClient, lab: Lab) -> None:
        client.notify("workspace/didChangeConfiguration", {"settings": {"mellum": {"gate": 0.3}}})
        await asyncio.sleep(0.05)
        assert lab.completer.settings is not None
        assert lab.completer.settings.gate == 0.3
        assert len(lab.builds) == 1, "a gate needs no new engine"

    async def test_pulled_changes_are_asked_for(self, fresh: LspClient, lab: Lab) -> None:
        await fresh.initialize(capabilities=CAN_CONFIGURE)
        await fresh.until_ready()
        fresh.answers["workspace/configuration"] = lambda params: [{"maxLines": 2}]
        fresh.notify("workspace/didChangeConfiguration", {"settings": None})
        await asyncio.sleep(0.05)
        assert lab.completer.settings is not None
        assert lab.completer.settings.max_lines == 2

    async def test_another_model_means_another_engine(self, client: LspClient, lab: Lab) -> None:
        client.notify("workspace/didChangeConfiguration", {"settings": {"model": "other"}})
        await asyncio.sleep(0.05)
        assert [build[0].model for build in lab.builds] == [None, "other"]
        assert lab.completer.closed, "the old one is let go"
        assert lab.index.told == [("start", None)], "the index stays"
        assert await client.inline(URI, client.open(URI, "$0"))

    async def test_other_files_to_index_mean_another_index(self, client: LspClient, lab: Lab) -> None:
        client.open(URI, "x")
        client.notify("workspace/didChangeConfiguration", {"settings": {"exclude": ["*.js"]}})
        async with asyncio.timeout(5):
            while ("close", None) not in lab.index.told:
                await asyncio.sleep(0.01)
        document = ("document", (Path("/project/a.py"), "x"))
        assert lab.index.told == [("start", None), document, document, ("start", None), ("close", None)]

    async def test_changes_are_registered_for_where_the_client_wants_that(self, fresh: LspClient) -> None:
        dynamic = {"dynamicRegistration": True}
        await fresh.initialize(
            capabilities={"workspace": {"didChangeConfiguration": dynamic, "didChangeWatchedFiles": dynamic}}
        )
        await fresh.until(lambda: fresh.asked)
        ((method, params),) = fresh.asked
        assert method == "client/registerCapability"
        assert [registration["method"] for registration in params["registrations"]] == [
            "workspace/didChangeConfiguration",
            "workspace/didChangeWatchedFiles",
        ]


class TestFolders:
    async def test_paths_are_relative_to_the_innermost_folder(self, fresh: LspClient, lab: Lab) -> None:
        await fresh.initialize(
            workspaceFolders=[folder("/project"), folder("/project/lib"), folder("/other")]
        )
        for path, root, name in (
            ("/project/src/a.py", "/project", "src/a.py"),
            ("/project/lib/b.py", "/project/lib", "b.py"),
            ("/elsewhere/c.py", "", "c.py"),
            ("/project/%67r%C3%BCn%20x.py", "/project", "grün x.py"),
        ):
            await fresh.inline(f"file://{path}", fresh.open(f"file://{path}", "$0"))
            assert (lab.completer.carets[-1].root, lab.completer.carets[-1].path) == (root, name)
        assert lab.builds[0][2] == [Path("/project"), Path("/project/lib"), Path("/other")]

    @pytest.mark.parametrize(
        "params", [{"rootUri": "file:///old"}, {"rootPath": "/old"}, {"rootUri": None, "rootPath": "/old"}]
    )
    async def test_older_clients_have_a_root(
        self, fresh: LspClient, lab: Lab, params: dict[str, Any]
    ) -> None:
        await fresh.initialize(**params)
        await fresh.until_ready()
        assert lab.builds[0][2] == [Path("/old")]

    async def test_folders_come_and_go(self, client: LspClient, lab: Lab) -> None:
        client.notify(
            "workspace/didChangeWorkspaceFolders",
            {"event": {"added": [folder("/new"), folder("/new")], "removed": [folder("/never")]}},
        )
        client.notify(
            "workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [folder("/new")]}}
        )
        await asyncio.sleep(0.01)
        assert lab.index.told[-2:] == [("add", Path("/new")), ("remove", Path("/new"))]


class TestDocuments:
    async def test_untitled_documents_are_served_by_their_bare_name(
        self, client: LspClient, lab: Lab
    ) -> None:
        caret = client.open("untitled:Untitled-1", "x = $0", "rust")
        assert await client.inline("untitled:Untitled-1", caret)
        seen = lab.completer.carets[-1]
        assert (seen.path, seen.language, seen.text, seen.offset) == ("Untitled-1", "rust", "x = ", 4)

    async def test_the_index_hears_of_files_but_not_at_every_keystroke(
        self, client: LspClient, lab: Lab
    ) -> None:
        caret = client.open(URI, "$0")
        client.open("untitled:Untitled-1", "")
        for character in "abc":
            client.edit(URI, caret, caret, character)
        path = Path("/project/a.py")
        await asyncio.sleep(0.05)
        assert lab.index.told == [("start", None), ("document", (path, ""))]
        await asyncio.sleep(0.35)
        client.notify("textDocument/didSave", {"textDocument": {"uri": URI}})
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": URI, "type": 2}]})
        await asyncio.sleep(0.01)
        assert lab.index.told[2:] == [
            ("document", (path, "cba")),
            ("files", [path]),
            ("closed", path),
            ("files", [path]),
        ]

    async def test_what_was_typed_last_does_not_come_back_after_closing(
        self, client: LspClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mellum_lsp.lsp.index_feed.SETTLE_SECONDS", 0.02)
        caret = client.open(URI, "$0")
        client.edit(URI, caret, caret, "unsaved")
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        await asyncio.sleep(0.06)
        assert lab.index.told[-1] == ("closed", Path("/project/a.py"))

    async def test_documents_opened_before_the_index_is_there_reach_it(
        self, fresh: LspClient, lab: Lab
    ) -> None:
        fresh.answers["workspace/configuration"] = lambda params: [None]
        await fresh.initialize(capabilities=CAN_CONFIGURE)
        fresh.open(URI, "early")
        await fresh.until_ready()
        assert ("document", (Path("/project/a.py"), "early")) in lab.index.told


class TestNotebooks:
    NOTEBOOK = "file:///project/n.ipynb"

    def cell(self, number: int, text: str, language: str = "python") -> dict[str, Any]:
        return {"uri": f"cell:{number}", "languageId": language, "version": 1, "text": text}

    def open_notebook(self, client: LspClient, *cells: dict[str, Any], kinds: dict[int, int]) -> None:
        client.notify(
            "notebookDocument/didOpen",
            {
                "notebookDocument": {
                    "uri": self.NOTEBOOK,
                    "notebookType": "jupyter-notebook",
                    "version": 1,
                    "cells": [
                        {"kind": kinds.get(number, 2), "document": cell["uri"]}
                        for number, cell in enumerate(cells)
                    ],
                },
                "cellTextDocuments": list(cells),
            },
        )

    async def test_a_cell_is_read_after_the_code_above_it(self, fresh: LspClient, lab: Lab) -> None:
        await fresh.initialize(workspaceFolders=[folder("/project")])
        self.open_notebook(
            fresh,
            self.cell(0, "# Heading", "markdown"),
            self.cell(1, "import math"),
            self.cell(2, "math."),
            self.cell(3, "below"),
            kinds={0: 1},
        )
        (item,) = await fresh.inline("cell:2", {"line": 0, "character": 5})
        seen = lab.completer.carets[-1]
        assert (seen.path, seen.prefix, seen.suffix) == ("n.ipynb", "import math\nmath.", "")
        assert item["range"]["start"] == {"line": 0, "character": 5}

    async def test_cells_change_come_and_go(self, client: LspClient, lab: Lab) -> None:
        self.open_notebook(client, self.cell(0, "a"), self.cell(1, "b"), kinds={})
        change = {
            "structure": {
                "array": {
                    "start": 0,
                    "deleteCount": 1,
                    "cells": [{"kind": 2, "document": "cell:9"}],
                },
                "didOpen": [self.cell(9, "new = 1\n")],
                "didClose": [{"uri": "cell:0"}],
            },
            "textContent": [{"document": {"uri": "cell:1", "version": 2}, "changes": [{"text": "c"}]}],
        }
        client.notify(
            "notebookDocument/didChange",
            {"notebookDocument": {"uri": self.NOTEBOOK, "version": 2}, "change": {"cells": change}},
        )
        await client.inline("cell:1", {"line": 0, "character": 1})
        assert lab.completer.carets[-1].text == "new = 1\nc"
        assert await client.inline("cell:0", {"line": 0, "character": 0}) == []
        client.notify(
            "notebookDocument/didClose",
            {"notebookDocument": {"uri": self.NOTEBOOK}, "cellTextDocuments": [{"uri": "cell:1"}]},
        )
        assert await client.inline("cell:1", {"line": 0, "character": 0}) == []


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
        for _ in range(2):
            lab.index.on_status(FakeIndexStatus(1, 2, "indexing"))
            await asyncio.sleep(0.03)
            lab.index.on_status(FakeIndexStatus(5, 9, "ready"))
            await asyncio.sleep(0.03)
        begun = [
            value["token"]
            for value in fresh.received("$/progress")
            if value["value"].get("title") == "Indexing"
        ]
        assert len(set(begun)) == 2

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
            "engine": {"pid": None, "mode": "private"},
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


class TestExclusion:
    @pytest.mark.parametrize("name", [".env", "certs/server.key", "build/made.py", "skip/x.py"])
    async def test_secrets_and_ignored_files_are_never_completed(
        self, fresh: LspClient, lab: Lab, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / ".gitignore").write_text("build/\n")
        await fresh.initialize(
            workspaceFolders=[folder(str(tmp_path))], initializationOptions={"exclude": ["skip/"]}
        )
        await fresh.until_ready()
        uri = f"file://{tmp_path}/{name}"
        caret = fresh.open(uri, "$0")
        fresh.notify("mellum/didMoveCaret", at(uri, caret))
        assert await fresh.inline(uri, caret, kind=1) == []
        assert (await fresh.request("mellum/explain", at(uri, caret)))["reason"] == "excluded file"
        assert (lab.completer.carets, lab.completer.warmed) == ([], [])
        other = f"file://{tmp_path}/src/a.py"
        assert await fresh.inline(other, fresh.open(other, "$0"))

    async def test_changed_rules_count_a_little_later(
        self, fresh: LspClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mellum_lsp.lsp.exclusions.FRESH_SECONDS", 0)
        await fresh.initialize(workspaceFolders=[folder(str(tmp_path))])
        uri = f"file://{tmp_path}/a.py"
        caret = fresh.open(uri, "$0")
        assert await fresh.inline(uri, caret)
        (tmp_path / ".gitignore").write_text("a.py\n")
        async with asyncio.timeout(5):
            while await fresh.inline(uri, caret):
                await asyncio.sleep(0.01)


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
