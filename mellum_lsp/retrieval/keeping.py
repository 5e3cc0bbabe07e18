"""Keeps the index between two sessions: takes over what the last one left, saves beside all other work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from mellum_lsp.retrieval import persist
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.workspace.settings import IndexSettings

log = logging.getLogger(__name__)

_SAVE_SECONDS = 120.0


class Keeper:
    """``writing`` serialises the writers of ``index``; ``folders`` names the folders that are open now."""

    def __init__(
        self,
        index: ProjectIndex,
        writing: threading.Lock,
        settings: IndexSettings,
        folders: Callable[[], Sequence[str]],
    ) -> None:
        self._index = index
        self._writing = writing
        self._settings = settings
        self._folders = folders
        self._kept = 0
        self._saved_at = 0.0
        self._thread: threading.Thread | None = None

    def restore(self) -> bool:
        """Takes over what was kept of the open folders; False where nothing was."""
        if not self._settings.persist or not self._folders():
            return False
        path = persist.cache_file(self._folders())
        saved = persist.load(path, persist.fingerprint(self._settings))
        if saved is None:
            return False
        with self._writing:
            self._index.restore(saved)
            self._kept = self._index.generation
        return True

    def save_if_due(self) -> None:
        """Begins to save in a thread where something changed and the last time is a while ago."""
        due = time.monotonic() - self._saved_at > _SAVE_SECONDS
        if due and self._index.generation != self._kept and not self._saving:
            self._saved_at = time.monotonic()
            self._thread = threading.Thread(target=self.save, name="index-keeping", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Saves what is not saved yet."""
        if self._thread is not None:
            self._thread.join()
        self.save()

    @property
    def _saving(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def save(self) -> None:
        """Writes the index as it is now, unless it is kept already. Holds writers up only for a moment."""
        folders = self._folders()
        if not self._settings.persist or not folders:
            return
        with self._writing:
            if self._index.generation == self._kept:
                return
            self._kept = self._index.generation
            frozen = self._index.frozen()
        try:
            persist.save(persist.cache_file(folders), frozen(), persist.fingerprint(self._settings))
        except OSError as error:
            log.warning("the index cannot be kept for the next session: %s", error)
        except Exception:
            log.exception("the index cannot be kept for the next session")
