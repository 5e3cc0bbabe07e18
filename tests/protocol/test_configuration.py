"""Settings: where they come from, what a mistake costs, what a change does."""

from __future__ import annotations

import asyncio

import pytest
from fake_backend import Lab
from lsp_client import LspClient, at, eventually

from mellum_lsp.lsp.settings import Settings
from mellum_lsp.workspace.settings import IndexSettings

URI = "file:///project/a.py"
CAN_CONFIGURE = {"workspace": {"configuration": True}}
CAN_SHOW_PROGRESS = {"window": {"workDoneProgress": True}}


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
            "mellum-lsp: settings: gate: expected `float | null`, got `str`; its default null is used",
            "mellum-lsp: settings: there is no setting maxLine; did you mean maxLines?",
        ]
        assert lab.builds[0][0].max_lines == 5

    async def test_a_mistake_is_told_once(self, client: LspClient, lab: Lab) -> None:
        for lines in (3, 4):
            settings = {"gate": "high", "maxLines": lines}
            client.notify("workspace/didChangeConfiguration", {"settings": settings})
        await eventually(lambda: lab.completer.settings and lab.completer.settings.max_lines == 4)
        assert len(client.received("window/showMessage")) == 1

    async def test_pushed_changes_reach_the_running_pipeline(self, client: LspClient, lab: Lab) -> None:
        client.notify("workspace/didChangeConfiguration", {"settings": {"mellum": {"gate": 0.3}}})
        await eventually(lambda: lab.completer.settings)
        assert lab.completer.settings is not None
        assert lab.completer.settings.gate == 0.3
        assert len(lab.builds) == 1, "a gate needs no new engine"

    async def test_pulled_changes_are_asked_for(self, fresh: LspClient, lab: Lab) -> None:
        await fresh.initialize(capabilities=CAN_CONFIGURE)
        await fresh.until_ready()
        fresh.answers["workspace/configuration"] = lambda params: [{"maxLines": 2}]
        fresh.notify("workspace/didChangeConfiguration", {"settings": None})
        await eventually(lambda: lab.completer.settings)
        assert lab.completer.settings is not None
        assert lab.completer.settings.max_lines == 2

    async def test_another_model_means_another_engine(self, client: LspClient, lab: Lab) -> None:
        client.notify("workspace/didChangeConfiguration", {"settings": {"model": "other"}})
        await eventually(lambda: lab.completer.closed)
        assert [build[0].model for build in lab.builds] == [None, "other"]
        assert ("close", None) not in lab.index.told, "the index stays"
        assert await client.inline(URI, client.open(URI, "$0"))

    async def test_what_cannot_be_set_up_is_told_and_nobody_waits_for_it(
        self, fresh: LspClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The package may be replaced under a server that is just starting."""

        def missing() -> None:
            raise ImportError("no such name")

        with monkeypatch.context() as patched:
            patched.setattr("mellum_lsp.lsp.serving.import_all", missing)
            await fresh.initialize()
            caret = fresh.open(URI, "$0")
            async with asyncio.timeout(5):
                assert await fresh.inline(URI, caret) == []
                explained = await fresh.request("mellum/explain", at(URI, caret))
        assert explained["reason"].startswith("engine failed: the server could not be set up: ImportError")
        assert (await fresh.request("mellum/status"))["state"] == "failed"
        assert "hint: " in fresh.received("window/showMessage")[0]["message"]
        fresh.notify("workspace/didChangeConfiguration", {"settings": {"model": "other"}})
        await eventually(lambda: lab.builds)
        assert await fresh.inline(URI, caret)

    async def test_other_files_to_index_are_told_to_the_index_that_runs(
        self, client: LspClient, lab: Lab
    ) -> None:
        changed = {"exclude": ["*.js"], "languages": ["*", "-markdown"], "maxFileBytes": 5000}
        client.notify("workspace/didChangeConfiguration", {"settings": changed})
        expected = IndexSettings(exclude=("*.js",), languages=("*", "-markdown"), max_file_bytes=5000)
        await eventually(lambda: ("settings", expected) in lab.index.told)
        assert ("close", None) not in lab.index.told
        assert len(lab.builds) == 1, "the engine is none of its business"

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
