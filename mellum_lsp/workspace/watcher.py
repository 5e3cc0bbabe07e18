"""Tells of changes on disk as they happen, where the operating system can; says so where it cannot.

Only paths are told, not what happened to them: the disk is asked again anyway, so that lost, doubled or
reordered events do no harm.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from mellum_lsp.workspace.settings import IndexSettings

_INOTIFY = Path("/proc/sys/fs/inotify")

log = logging.getLogger(__name__)

OnPath = Callable[[str, str], None]
"""Called with the folder and the path in it (with ``/``), on a thread of the watcher."""

OnTrouble = Callable[[str, OSError], None]
"""Called with a folder that can no longer be watched in full, and why."""

_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


class Watcher(Protocol):
    """Watches folders. Its methods may take a while on large trees: not for an event loop."""

    def watch(self, root: str, loose: bool = False) -> None:
        """Begins to watch a folder, or begins anew by today's rules; ``loose``: without the folders in it.

        Raises `OSError` where that cannot be done.
        """

    def unwatch(self, root: str) -> None:
        """Ends watching a folder; harmless where it was not watched."""

    def close(self) -> None:
        """Ends all watching without waiting for its threads."""


def new_watcher(settings: IndexSettings, on_path: OnPath, on_trouble: OnTrouble) -> Watcher:
    """What suits the operating system. Raises `OSError` where it has no watcher left to give."""
    if _INOTIFY.is_dir():
        from mellum_lsp.workspace.inotify import InotifyWatcher

        return InotifyWatcher(settings, on_path, on_trouble)
    return RecursiveWatcher(on_path)


def explain(error: OSError) -> str:
    """Why a folder cannot be watched, and what would help."""
    if error.errno == errno.ENOSPC:
        return "the limit of watched folders is reached (raise fs.inotify.max_user_watches)"
    if error.errno == errno.EMFILE:
        return "the limit of watchers is reached (raise fs.inotify.max_user_instances)"
    return str(error)


class RecursiveWatcher:
    """A `Watcher` for systems that watch a whole tree as easily as one folder."""

    def __init__(self, on_path: OnPath) -> None:
        self._on_path = on_path
        self._observer: Any = Observer()
        self._observer.start()
        self._watches: dict[str, Any] = {}
        self._lock = threading.Lock()

    def watch(self, root: str, loose: bool = False) -> None:
        self.unwatch(root)
        handler = _Handler(root, self._on_path)
        with self._lock:
            self._watches[root] = self._observer.schedule(
                handler, root, recursive=not loose, event_filter=_EVENTS
            )

    def unwatch(self, root: str) -> None:
        with self._lock:
            watch = self._watches.pop(root, None)
            if watch is not None:
                try:
                    self._observer.unschedule(watch)
                except (OSError, KeyError):
                    log.debug("could not end watching %s", root, exc_info=True)

    def close(self) -> None:
        with self._lock:
            self._observer.stop()
            self._watches.clear()


class _Handler(FileSystemEventHandler):
    def __init__(self, root: str, on_path: OnPath) -> None:
        self._root = root
        self._on_path = on_path

    def on_any_event(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                relative = os.path.relpath(os.fsdecode(path), self._root).replace(os.sep, "/")
                if not relative.startswith("../"):
                    self._on_path(self._root, relative)
