"""Which method is served by what: the protocol's table of contents."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lsprotocol import types

from mellum_lsp.lsp.methods import (
    caret_moved,
    completion,
    configuration,
    execute_command,
    explain,
    feedback,
    initialize,
    inline_completion,
    notebooks,
    set_trace,
    shutdown,
    status,
    text_documents,
    workspace,
)
from mellum_lsp.lsp.protocol import Method
from mellum_lsp.lsp.session import Session


def methods(session: Session) -> dict[str, Method]:
    """Every method that a client may send, bound to its session.

    ``exit`` and ``$/cancelRequest`` are missing: they are about the session itself and served by `protocol`.
    """

    def served(handle: Callable[[Session, Any], Any], params: type | None = None, **more: Any) -> Method:
        return Method(partial(handle, session), params, **more)

    return {
        types.INITIALIZE: served(initialize.initialize),
        types.INITIALIZED: served(initialize.initialized),
        types.SHUTDOWN: served(shutdown.shutdown),
        types.SET_TRACE: served(set_trace.set_trace, types.SetTraceParams),
        types.WINDOW_WORK_DONE_PROGRESS_CANCEL: served(shutdown.ignore),
        types.TEXT_DOCUMENT_DID_OPEN: served(text_documents.did_open, types.DidOpenTextDocumentParams),
        types.TEXT_DOCUMENT_DID_CHANGE: served(
            text_documents.did_change,
            types.DidChangeTextDocumentParams,
            unreadable=partial(text_documents.lost_sync, session),
        ),
        types.TEXT_DOCUMENT_DID_SAVE: served(text_documents.did_save, types.DidSaveTextDocumentParams),
        types.TEXT_DOCUMENT_DID_CLOSE: served(text_documents.did_close, types.DidCloseTextDocumentParams),
        types.NOTEBOOK_DOCUMENT_DID_OPEN: served(notebooks.did_open, types.DidOpenNotebookDocumentParams),
        types.NOTEBOOK_DOCUMENT_DID_CHANGE: served(
            notebooks.did_change,
            types.DidChangeNotebookDocumentParams,
            unreadable=partial(notebooks.lost_sync, session),
        ),
        types.NOTEBOOK_DOCUMENT_DID_SAVE: served(shutdown.ignore),
        types.NOTEBOOK_DOCUMENT_DID_CLOSE: served(notebooks.did_close, types.DidCloseNotebookDocumentParams),
        types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: served(
            workspace.folders_changed, types.DidChangeWorkspaceFoldersParams
        ),
        types.WORKSPACE_DID_CHANGE_WATCHED_FILES: served(
            workspace.watched_files_changed, types.DidChangeWatchedFilesParams
        ),
        types.WORKSPACE_DID_CHANGE_CONFIGURATION: served(configuration.changed),
        types.WORKSPACE_EXECUTE_COMMAND: served(execute_command.execute, types.ExecuteCommandParams),
        types.TEXT_DOCUMENT_INLINE_COMPLETION: served(
            inline_completion.inline_completion, types.InlineCompletionParams, empty=inline_completion.empty
        ),
        types.TEXT_DOCUMENT_COMPLETION: served(
            completion.completion, types.CompletionParams, empty=completion.empty
        ),
        status.METHOD: served(status.status),
        explain.METHOD: served(explain.explain, types.InlineCompletionParams, empty=explain.empty),
        caret_moved.METHOD: served(caret_moved.caret_moved, types.TextDocumentPositionParams),
        feedback.DID_SHOW: served(feedback.did_show),
        feedback.DID_PARTIALLY_ACCEPT: served(feedback.did_partially_accept),
    }
