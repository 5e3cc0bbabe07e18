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
from typing import Any

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

log = logging.getLogger(__name__)

OnPath = Callable[[str, str], None]
"""Called with the folder and the path in it (with ``/``), on a thread of the watcher."""

# Opening and reading are no changes; asked for, they would flood us while the worker reads the whole folder.
_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


class Watcher:
    """Watches folders. Its methods may take a while on large trees: not for an event loop."""

    def __init__(self, on_path: OnPath) -> None:
        self._on_path = on_path
        self._observer: Any = None
        self._watches: dict[str, Any] = {}
        self._lock = threading.Lock()

    def watch(self, root: str) -> str:
        """Begins to watch a folder; an empty string, or why it can only be polled."""
        with self._lock:
            try:
                if self._observer is None:
                    self._observer = Observer()
                    self._observer.start()
                handler = _Handler(root, self._on_path)
                self._watches[root] = self._observer.schedule(
                    handler, root, recursive=True, event_filter=_EVENTS
                )
            except (OSError, RuntimeError) as error:
                return _explain(error)
        return ""

    def unwatch(self, root: str) -> None:
        """Ends watching a folder; harmless where it was not watched."""
        with self._lock:
            watch = self._watches.pop(root, None)
            if watch is not None:
                try:
                    self._observer.unschedule(watch)
                except (OSError, KeyError):
                    log.debug("could not end watching %s", root, exc_info=True)

    def close(self) -> None:
        """Ends all watching without waiting for its threads."""
        with self._lock:
            if self._observer is not None:
                self._observer.stop()
                self._observer = None
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


def _explain(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOSPC:
        return "the limit of watched folders is reached (raise fs.inotify.max_user_watches)"
    if number == errno.EMFILE:
        return "the limit of watchers is reached (raise fs.inotify.max_user_instances)"
    return str(error)


def same_folder(path: Path) -> str:
    """The one name of a folder by which everything else knows it."""
    return str(path.resolve())
