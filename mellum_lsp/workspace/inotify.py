"""Watches folders by Linux's inotify, but for those that are ignored.

Watchdog's own observer watches every folder below the root, those of ``node_modules`` too, does not tell of a
full queue of the kernel, in which events were lost, and does not let go of folders that were moved away. So
its inotify descriptor is used here without its observer.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from mellum_lsp.workspace.filters import skip_by_name
from mellum_lsp.workspace.ignore import is_rule_file
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.walk import Walker

# Closing a written file, not each write to it; and nothing of files that are merely read.
_MASK = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
    | InotifyConstants.IN_EXCL_UNLINK
)
_LIMITS = (errno.ENOSPC, errno.EMFILE)
_GIT_INFO = ".git/info"

OnPath = Callable[[str, str], None]
OnTrouble = Callable[[str, OSError], None]


class InotifyWatcher:
    """Tells ``on_path`` of the folder and the path in it that something happened to, on a thread of its own.

    The path ``"."`` means that anything may have happened. ``on_trouble`` hears when the limit of watches is
    reached later on. Raises `OSError` where inotify cannot be had.
    """

    def __init__(self, settings: IndexSettings, on_path: OnPath, on_trouble: OnTrouble) -> None:
        self._settings = settings
        self._on_path = on_path
        self._on_trouble = on_trouble
        self._roots: dict[str, _Root] = {}
        self._inotify = InotifyFD()
        self._inotify.start()

    def watch(self, root: str, loose: bool = False) -> None:
        """Begins to watch a folder, anew where it is watched: by the rules of now. Raises `OSError`."""
        new = _Root(self._inotify, root, self._settings, loose, self._on_path, self._on_trouble)
        try:
            new.begin()
        except OSError:
            new.end()
            raise
        finally:
            self.unwatch(root)
        self._roots[root] = new

    def unwatch(self, root: str) -> None:
        old = self._roots.pop(root, None)
        if old is not None:
            old.end()

    def close(self) -> None:
        self._roots.clear()
        self._inotify.stop()


class _Root:
    """The watches of one workspace folder: a `watchdog.observers.inotify_c.WatchCallback`."""

    _ids = itertools.count(1)

    def __init__(
        self,
        inotify: InotifyFD,
        root: str,
        settings: IndexSettings,
        loose: bool,
        on_path: OnPath,
        on_trouble: OnTrouble,
    ) -> None:
        self._inotify = inotify
        self._root = root
        self._settings = settings
        self._walker = Walker(Path(root), settings, loose)
        self._on_path = on_path
        self._on_trouble = on_trouble
        self._walking = threading.Lock()
        self._lock = threading.Lock()
        self._watches: dict[WatchDescriptor, tuple[str, CallbackId]] = {}
        self._descriptors: dict[str, WatchDescriptor] = {}
        self._ended = False

    def begin(self) -> None:
        """Watches all folders that a walk enters, each before it is looked into."""
        with self._walking:
            for folder in self._walker.folders():
                self._add(folder)
        if (Path(self._root) / _GIT_INFO).is_dir():
            self._add(_GIT_INFO)  # for the rules in its file `exclude`

    def end(self) -> None:
        with self._lock:
            self._ended = True
            self._remove(list(self._descriptors))

    def on_event(self, event: InotifyEvent) -> None:
        with self._lock:
            known = self._watches.get(event.wd)
        if known is None:
            return
        folder = known[0]
        if not event.name:
            if not folder and (event.is_delete_self or event.is_move_self):
                self._on_path(self._root, ".")
            return
        name = os.fsdecode(event.name)
        path = f"{folder}/{name}" if folder else name
        if event.mask & InotifyConstants.IN_ISDIR:
            self._folder_event(event, path)
            self._on_path(self._root, path)
        elif is_rule_file(path) or skip_by_name(path, self._settings) is None:
            self._on_path(self._root, path)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        with self._lock:
            folder, _ = self._watches.pop(wd, ("", None))
            if self._descriptors.get(folder) == wd:
                del self._descriptors[folder]

    def on_queue_overflow(self) -> None:
        """The kernel has dropped events. Whoever looks at everything again also has it watched anew."""
        self._on_path(self._root, ".")

    def _folder_event(self, event: InotifyEvent, path: str) -> None:
        with self._lock:
            if event.is_moved_from:
                below = f"{path}/"
                self._remove([one for one in self._descriptors if one == path or one.startswith(below)])
            elif event.is_delete:
                self._remove([path] if path in self._descriptors else [])
        if event.is_create or event.is_moved_to:
            try:
                with self._walking:
                    for folder in self._walker.folders(path):
                        self._add(folder)
            except OSError as error:
                self._on_trouble(self._root, error)

    def _add(self, folder: str) -> None:
        """Watches one folder; leaves out what is gone again. Raises `OSError` at the limit."""
        with self._lock:
            if self._ended or folder in self._descriptors:
                return
            number = CallbackId(next(self._ids))
            path = os.fsencode(os.path.join(self._root, folder) if folder else self._root)  # noqa: PTH118
            try:
                descriptor = self._inotify.add_callback(path, _MASK, self, number)
            except OSError as error:
                if error.errno in _LIMITS or not folder:
                    raise
                return
            if descriptor < 0:  # it may not be read
                return
            if descriptor in self._watches:  # the same folder under its former name
                self._remove([self._watches[descriptor][0]])
            self._watches[descriptor] = folder, number
            self._descriptors[folder] = descriptor

    def _remove(self, folders: list[str]) -> None:
        for folder in folders:
            descriptor = self._descriptors.pop(folder)
            _, number = self._watches.pop(descriptor)
            with contextlib.suppress(OSError):
                self._inotify.remove_callbacks([(descriptor, number)])
