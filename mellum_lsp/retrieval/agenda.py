"""What the live index has still to do, noted by whoever hears of it: the editor, the watcher, a worker.

The open folders and documents, what changed in them, and nothing that is slow: no disk, no process. Any
thread may note and ask; one thread waits and takes what is due.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mellum_lsp.retrieval.folders import Folders
from mellum_lsp.retrieval.messages import Document, Scan, Update
from mellum_lsp.retrieval.supervisor import Job
from mellum_lsp.workspace.changes import Changes, Work
from mellum_lsp.workspace.ignore import is_rule_file
from mellum_lsp.workspace.secrets import is_secret_path
from mellum_lsp.workspace.settings import IndexSettings

Place = tuple[str, str]
"""An open folder and a path in it."""

_TICK_SECONDS = 1.0
"""How often a thread that waits looks around, whatever is noted: a worker may be stuck."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now, in this order."""

    settings: IndexSettings | None
    """Other settings, where they have changed."""
    to_close: set[str]
    """Folders that were closed; one of them may be open again by now."""
    to_watch: list[str]
    """Folders of which another set may have to be watched."""
    work: Work


class Agenda:
    """Thread-safe. ``settled`` is set while all that was noted is done."""

    def __init__(self, settings: IndexSettings) -> None:
        self.settled = threading.Event()
        self._noted = threading.Condition()
        self._settings = settings
        self._folders = Folders()
        self._open: dict[Place, str] = {}
        self._changes = Changes(settings.debounce_ms / 1000, settings.document_debounce_ms / 1000)
        self._to_watch: dict[str, None] = {}
        self._to_close: set[str] = set()
        self._new_settings: IndexSettings | None = None
        self._rules_changed: set[str] = set()
        self._ended = False

    # What is noted.

    def add_folder(self, path: Path) -> None:
        """A folder is open; loose ones in it are part of it now."""
        with self._noted:
            root = self._folders.add(path)
            for other in [other for other in self._folders if self._folders.is_loose(other)]:
                if Path(other).is_relative_to(root):
                    self._close_folder(other)
            self._open_folder(root)

    def remove_folder(self, path: Path) -> None:
        with self._noted:
            self._close_folder(str(path))
            self._stir()

    def update_settings(self, settings: IndexSettings) -> None:
        with self._noted:
            if settings != self._settings:
                self._settings = self._new_settings = settings
                for root in self._folders:
                    self._rules_changed.add(root)
                    self._to_watch[root] = None
                    self._changes.scan(root, time.monotonic())
                self._stir()

    def document(self, path: Path, text: str) -> Place | None:
        """An open document has this text. One outside of all folders brings its own along, as a loose one.

        None for a document of which nothing may be indexed.
        """
        with self._noted:
            place = self._folders.locate(path)
            if place is None and not is_secret_path(path.as_posix()):
                self._open_folder(self._folders.add(path.parent, loose=True))
                place = self._folders.locate(path)
            if place is not None:
                self._open[place] = text
                self._changes.document(*place, text, time.monotonic())
                self._stir()
            return place

    def document_closed(self, path: Path) -> Place | None:
        """The disk counts again; a loose folder goes with its last document. None for one that is unknown."""
        with self._noted:
            place = self._folders.locate(path)
            if place is not None:
                self._open.pop(place, None)
                if self._folders.is_loose(place[0]) and not any(root == place[0] for root, _ in self._open):
                    self._close_folder(place[0])
                else:
                    self._changes.closed(*place, time.monotonic())
                self._stir()
            return place

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Something happened to these paths."""
        for path in paths:
            with self._noted:
                place = self._folders.locate(path)
                if place is not None:
                    self.path_changed(*place)

    def path_changed(self, root: str, path: str) -> None:
        """Something happened to a path of an open folder; changed rules mean other folders to watch."""
        with self._noted:
            if root not in self._folders:
                return
            self._changes.path(root, path, time.monotonic())
            if is_rule_file(path):
                self._rules_changed.add(root)
            if is_rule_file(path) or path == ".":
                self._to_watch[root] = None
            if self._changes:
                self._stir()

    def scan(self, root: str) -> None:
        """A folder is to be compared with the disk, though nothing was told of it."""
        with self._noted:
            self._changes.scan(root, time.monotonic())

    def done(self, root: str, *, scanned: bool, to_scan: Sequence[str]) -> None:
        """A worker has finished a request, and found folders of ``root`` that it did not look into."""
        now = time.monotonic()
        with self._noted:
            if root in self._folders:
                if scanned:
                    self._judge_open_documents(root, now)
                for folder in to_scan:
                    self._changes.scan(root, now, folder)
            self._noted.notify()

    def lost(self, jobs: Iterable[Job]) -> None:
        """These requests died with their worker."""
        now = time.monotonic()
        with self._noted:
            for job in jobs:
                if isinstance(job, Scan):
                    self._changes.scan(job.root, now, job.below)
                elif isinstance(job, Update):
                    for path in job.paths:
                        self._changes.path(job.root, path, now)
                elif isinstance(job, Document) and (job.root, job.path) in self._open:
                    self._changes.document(job.root, job.path, self._open[job.root, job.path], now)
            self._noted.notify()

    def end(self) -> None:
        """Nobody needs to wait any longer."""
        with self._noted:
            self._ended = True
            self._noted.notify()

    # What is asked.

    def __contains__(self, root: str) -> bool:
        return root in self._folders

    def __bool__(self) -> bool:
        """Whether any folder is open."""
        return bool(self._folders)

    @property
    def projects(self) -> list[str]:
        """All open folders but the loose ones."""
        return self._folders.projects

    @property
    def has_ended(self) -> bool:
        return self._ended

    def is_loose(self, root: str) -> bool:
        return self._folders.is_loose(root)

    def root_of(self, root: str, path: str) -> str:
        """The real path of a caret's folder, which is a loose one where it names none; empty without any."""
        if root:
            return self._folders.real(root)
        with self._noted:
            return next((of for of, name in self._open if name == path and self._folders.is_loose(of)), "")

    def open_documents(self, root: str) -> set[str] | None:
        """The paths of open documents in a folder; None where the folder is not open."""
        with self._noted:
            return {path for of, path in self._open if of == root} if root in self._folders else None

    def wait(self, is_busy: Callable[[], bool], on_settled: Callable[[], None]) -> bool:
        """Wait until something may be due, a second at most; False once all has ended.

        ``on_settled`` is called when nothing is left to do and nobody ``is_busy`` with what was taken.
        """
        with self._noted:
            if self._ended:
                return False
            due = self._changes.seconds_until_due(time.monotonic())
            if due != 0.0 and not self._to_watch and not self._to_close:
                if not self.settled.is_set() and not self._changes and not is_busy():
                    self.settled.set()
                    on_settled()
                self._noted.wait(_TICK_SECONDS if due is None else min(due, _TICK_SECONDS))
            return True

    def take(self) -> Due:
        """Hand out everything that is due."""
        with self._noted:
            due = Due(
                self._new_settings, self._to_close, list(self._to_watch), self._changes.take(time.monotonic())
            )
            self._new_settings, self._to_close, self._to_watch = None, set(), {}
            return due

    # With the lock held.

    def _open_folder(self, root: str) -> None:
        self._to_watch[root] = None
        self._changes.scan(root, time.monotonic())
        self._stir()

    def _close_folder(self, path: str) -> None:
        root = self._folders.remove(Path(path))
        self._changes.forget(root)
        self._open = {key: text for key, text in self._open.items() if key[0] != root}
        self._to_close.add(root)

    def _judge_open_documents(self, root: str, now: float) -> None:
        """After a change of the rules: a scan by the new ones says nothing of open documents."""
        if root in self._rules_changed:
            self._rules_changed.discard(root)
            for (of, path), text in self._open.items():
                if of == root:
                    self._changes.document(of, path, text, now)

    def _stir(self) -> None:
        self.settled.clear()
        self._noted.notify()
