"""``workspace/didChangeWorkspaceFolders`` and ``workspace/didChangeWatchedFiles``."""

from __future__ import annotations

from lsprotocol import types

from mellum_lsp.lsp import uris
from mellum_lsp.lsp.session import Session


def folders_changed(session: Session, params: types.DidChangeWorkspaceFoldersParams) -> None:
    removed = session.folders.remove(params.event.removed)
    added = session.folders.add(params.event.added)
    session.index_feed.folders_changed(added, removed)


def watched_files_changed(session: Session, params: types.DidChangeWatchedFilesParams) -> None:
    paths = [uris.to_path(change.uri) for change in params.changes]
    session.index_feed.files_changed([path for path in paths if path is not None])
