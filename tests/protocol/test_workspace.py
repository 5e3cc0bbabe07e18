"""Folders, documents and notebooks: what the pipeline and the index get to see of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fake_backend import Lab
from lsp_client import LspClient, at, eventually

URI = "file:///project/a.py"
CAN_CONFIGURE = {"workspace": {"configuration": True}}
CAN_SHOW_PROGRESS = {"window": {"workDoneProgress": True}}


def folder(path: str) -> dict[str, str]:
    return {"uri": f"file://{path}", "name": Path(path).name}


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

    async def test_the_path_of_a_root_is_no_uri(self, fresh: LspClient, lab: Lab) -> None:
        await fresh.initialize(rootPath="/grün x/100%25#1")
        await fresh.until_ready()
        assert lab.builds[0][2] == [Path("/grün x/100%25#1")]

    async def test_folders_come_and_go(self, client: LspClient, lab: Lab) -> None:
        client.notify(
            "workspace/didChangeWorkspaceFolders",
            {"event": {"added": [folder("/new"), folder("/new")], "removed": [folder("/never")]}},
        )
        client.notify(
            "workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [folder("/new")]}}
        )
        expected = [("add", Path("/new")), ("remove", Path("/new"))]
        await eventually(lambda: lab.index.told[-2:] == expected)


class TestDocuments:
    async def test_untitled_documents_are_served_by_their_bare_name(
        self, client: LspClient, lab: Lab
    ) -> None:
        caret = client.open("untitled:Untitled-1", "x = $0", "rust")
        assert await client.inline("untitled:Untitled-1", caret)
        seen = lab.completer.carets[-1]
        assert (seen.path, seen.language, seen.text, seen.offset) == ("Untitled-1", "rust", "x = ", 4)

    async def test_the_index_hears_of_files_but_not_at_every_keystroke(
        self, client: LspClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mellum_lsp.lsp.index_feed.SETTLE_SECONDS", 0.05)
        caret = client.open(URI, "$0")
        client.open("untitled:Untitled-1", "")
        for character in "abc":
            client.edit(URI, caret, caret, character)
        path = Path("/project/a.py")
        await eventually(lambda: len(lab.index.told) == 3)
        assert lab.index.told == [("start", None), ("document", (path, "")), ("document", (path, "cba"))]
        client.notify("textDocument/didSave", {"textDocument": {"uri": URI}})
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": URI, "type": 2}]})
        await eventually(lambda: len(lab.index.told) == 6)
        assert lab.index.told[3:] == [("files", [path]), ("closed", path), ("files", [path])]

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

    @pytest.mark.parametrize(
        "uri",
        [
            "file:///home/me/.aws/config",
            "file:///home/me/.docker/config.json",
            "vscode-remote://ssh-remote/home/me/.ssh/config",
            "vscode-notebook-cell:/home/me/.secrets/keys.ipynb#W0",
        ],
    )
    async def test_secrets_outside_the_workspace_are_known_by_their_folders(
        self, client: LspClient, lab: Lab, uri: str
    ) -> None:
        assert await client.inline(uri, client.open(uri, "$0"), kind=1) == []
        assert lab.completer.carets == []

    async def test_a_link_hides_no_secret(self, client: LspClient, lab: Lab, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("TOKEN=1\n")
        (tmp_path / "notes.txt").symlink_to(".env")
        uri = (tmp_path / "notes.txt").as_uri()
        assert await client.inline(uri, client.open(uri, "$0"), kind=1) == []
        assert lab.completer.carets == []

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
