"""Editors as pytest-lsp knows them, with the capabilities that they declare, over its own typed client.

It reads every message into lsprotocol's types and warns where a server does what a client did not allow.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lsp_client import isolated
from lsprotocol import types
from pytest_lsp import (
    LanguageClient,
    LspSpecificationWarning,
    client_capabilities,
    make_test_lsp_client,
)
from scripted import scripted

from mellum_lsp.conformance.processes import own_server

URI = "file:///project/a.py"
TEXT = "def add(a, b):\n    \n"
CARET = types.Position(1, 4)
SCRIPT = [{"after": "def add(a, b):\n    ", "text": "return a + b\n"}]


@pytest.fixture(params=["neovim@v0.11.0", "neovim@v0.6.1", "visual-studio-code", "emacs"])
async def editor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LanguageClient]:
    """The editor in a running session."""
    client = make_test_lsp_client()
    client.feature("mellum/status")(lambda params: None)
    client.feature(types.CLIENT_REGISTER_CAPABILITY)(lambda params: None)
    command, *arguments = own_server("--model", scripted(tmp_path, SCRIPT))
    await client.start_io(command, *arguments, env=isolated(tmp_path))
    capabilities = client_capabilities(request.param)
    await client.initialize_session(
        types.InitializeParams(
            capabilities=capabilities,
            workspace_folders=[types.WorkspaceFolder(uri=tmp_path.as_uri(), name="project")],
        )
    )
    yield client
    async with asyncio.timeout(20):
        await client.shutdown_session()
        await client.stop()


async def test_it_gets_its_completions(editor: LanguageClient) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LspSpecificationWarning)
        # Emacs names no formats and reads Markdown nevertheless, as Helix does.
        warnings.filterwarnings("ignore", "Client does not support documentation", LspSpecificationWarning)
        document = types.TextDocumentItem(uri=URI, language_id="python", version=1, text=TEXT)
        editor.text_document_did_open(types.DidOpenTextDocumentParams(document))
        identifier = types.TextDocumentIdentifier(URI)
        listed = await editor.text_document_completion_async(types.CompletionParams(identifier, CARET))
        assert isinstance(listed, types.CompletionList)
        (item,) = listed.items
        assert (item.label, item.insert_text) == ("return a + b", "return a + b")
        automatic = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
        shown = await editor.text_document_inline_completion_async(
            types.InlineCompletionParams(automatic, identifier, CARET)
        )
        assert isinstance(shown, types.InlineCompletionList)
        (ghost,) = shown.items
        assert (ghost.insert_text, ghost.range) == ("return a + b", types.Range(CARET, CARET))
        assert ghost.command
        accepted = types.ExecuteCommandParams(ghost.command.command, ghost.command.arguments)
        assert await editor.workspace_execute_command_async(accepted) is None
    assert editor.error is None
