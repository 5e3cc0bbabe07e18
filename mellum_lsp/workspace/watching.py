"""Keeps folders watched, or polled where that is impossible; tells which are to be compared with the disk."""

from __future__ import annotations

import logging
from pathlib import Path

from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.watcher import OnPath, Watcher, explain, new_watcher

log = logging.getLogger(__name__)

Identity = tuple[int, int]
"""Device and number of a folder: a folder moved away and another in its place differ."""


class Watching:
    """For one thread, but for `why` and what the watcher calls from its own."""

    def __init__(self, settings: IndexSettings, on_path: OnPath) -> None:
        self._settings = settings
        self._on_path = on_path
        self._watcher: Watcher | None = None
        self._identity: dict[str, Identity | None] = {}
        self._loose: dict[str, bool] = {}
        self._reasons: dict[str, str] = {}
        self._polled_at = 0.0

    @property
    def why(self) -> str:
        """Why folders are polled rather than watched; empty where none is."""
        return "; ".join(dict.fromkeys(why for why in list(self._reasons.values()) if why))

    def update_settings(self, settings: IndexSettings) -> None:
        """Other rules from now on; every folder is to be watched anew."""
        self.close()
        self._settings = settings

    def watch(self, root: str, loose: bool = False) -> None:
        """Watches a folder, or begins anew where it is watched or its rules have changed."""
        self._identity[root], self._loose[root] = _identity(root), loose
        if not self._settings.watch:
            return
        why = "the folder does not exist"
        if self._identity[root]:
            try:
                if self._watcher is None:
                    self._watcher = new_watcher(self._settings, self._on_path, self._cannot_watch)
                self._watcher.watch(root, loose)
                why = ""
            except OSError as error:
                why = explain(error)
        self._poll(root, why)

    def unwatch(self, root: str) -> None:
        for known in (self._identity, self._loose, self._reasons):
            known.pop(root, None)
        if self._watcher is not None:
            self._watcher.unwatch(root)

    def folders_to_scan(self, now: float) -> list[str]:
        """The folders that are due for polling, and those that were moved away or came back.

        No event tells that a watched folder itself was moved.
        """
        if not self._settings.watch or now - self._polled_at < self._settings.poll_seconds:
            return []
        self._polled_at = now
        due = []
        for root, known in list(self._identity.items()):
            another = _identity(root) != known
            if another:
                self.watch(root, self._loose[root])
            if another or (self._reasons.get(root) and self._identity[root]):
                due.append(root)
        return due

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def _cannot_watch(self, root: str, error: OSError) -> None:
        self._poll(root, explain(error))

    def _poll(self, root: str, why: str) -> None:
        if why and why != self._reasons.get(root):
            log.warning("changes in %s are noticed by polling: %s", root, why)
        self._reasons[root] = why


def _identity(root: str) -> Identity | None:
    """Which folder there is at a path now; None where there is none."""
    try:
        status = Path(root).stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
