"""``initialize`` and ``initialized``: who the client is, and what this server offers it."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from mellum_lsp import __version__
from mellum_lsp.lsp.client import read_client, read_folders
from mellum_lsp.lsp.methods.execute_command import COMMANDS
from mellum_lsp.lsp.protocol import Life
from mellum_lsp.lsp.session import Session

COMPLETION_TRIGGERS = (".", "(", "[", "{", ",", "=", ":", " ")
"""Characters after which the fallback list is asked for; words trigger it by themselves."""


def initialize(session: Session, params: Any) -> types.InitializeResult:
    """The parameters come as plain JSON: no odd capability may keep a client out."""
    client = read_client(params)
    options = params.get("initializationOptions") if isinstance(params, dict) else None
    session.server.protocol.life = Life.RUNNING
    session.tracing.set(params.get("trace") if isinstance(params, dict) else None)
    session.begin(client, read_folders(params), options)
    return types.InitializeResult(
        capabilities=_capabilities(client.encoding.value),
        server_info=types.ServerInfo(name="mellum-lsp", version=__version__),
    )


def initialized(session: Session, params: Any) -> None:
    session.configuration.initialized()


def _capabilities(encoding: str) -> types.ServerCapabilities:
    """Inline completion and completion are offered to everyone, whatever a client says that it can do."""
    return types.ServerCapabilities(
        position_encoding=encoding,
        text_document_sync=types.TextDocumentSyncOptions(
            open_close=True,
            change=types.TextDocumentSyncKind.Incremental,
            save=types.SaveOptions(include_text=False),
        ),
        notebook_document_sync=types.NotebookDocumentSyncOptions(
            notebook_selector=[types.NotebookDocumentFilterWithNotebook(notebook="*")], save=False
        ),
        inline_completion_provider=types.InlineCompletionOptions(),
        completion_provider=types.CompletionOptions(
            trigger_characters=COMPLETION_TRIGGERS, resolve_provider=False
        ),
        execute_command_provider=types.ExecuteCommandOptions(commands=COMMANDS),
        workspace=types.WorkspaceOptions(
            workspace_folders=types.WorkspaceFoldersServerCapabilities(
                supported=True, change_notifications=True
            )
        ),
    )
