"""Feeds the texts of open documents to the index, as often as it is useful: not at every keystroke.

The index sees a document when it is opened, and after that its newest text at most every `SETTLE_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from mellum_lsp.lsp.backend import Index
from mellum_lsp.lsp.documents import Document

SETTLE_SECONDS = 0.3


class IndexFeed:
    """Lives on the event loop; the index itself works elsewhere."""

    def __init__(self) -> None:
        self._index: Index | None = None
        self._pending: dict[Path, asyncio.TimerHandle] = {}

    def connect(self, index: Index, opened: Iterable[tuple[Path, Document]]) -> None:
        """Feed ``index`` from now on, beginning with what is open."""
        self.close()
        self._index = index
        for path, document in opened:
            index.document_opened_or_changed(path, document.text)

    def opened(self, path: Path, document: Document) -> None:
        if self._index is not None:
            self._index.document_opened_or_changed(path, document.text)

    def changed(self, path: Path, document: Document) -> None:
        if path not in self._pending:
            loop = asyncio.get_running_loop()
            self._pending[path] = loop.call_later(SETTLE_SECONDS, self._settle, path, document)

    def closed(self, path: Path) -> None:
        """From now on the file on disk counts again."""
        self._cancel(path)
        if self._index is not None:
            self._index.document_closed(path)

    def files_changed(self, paths: list[Path]) -> None:
        if self._index is not None and paths:
            self._index.files_changed(paths)

    def folders_changed(self, added: Iterable[Path], removed: Iterable[Path]) -> None:
        if self._index is not None:
            for path in removed:
                self._index.remove_folder(path)
            for path in added:
                self._index.add_folder(path)

    def close(self) -> None:
        for path in list(self._pending):
            self._cancel(path)
        self._index = None

    def _settle(self, path: Path, document: Document) -> None:
        self._pending.pop(path, None)
        self.opened(path, document)

    def _cancel(self, path: Path) -> None:
        if timer := self._pending.pop(path, None):
            timer.cancel()
