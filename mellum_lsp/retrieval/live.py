"""The index of the open workspace folders, kept true to the disk and to the editor's unsaved documents.

Who does what: the watcher, the editor and a timer only note what may have changed (`Changes`); one thread of
ours sends what is due to the worker process, which walks, reads, parses and tokenises; another takes over its
results, a few files at a time. The event loop of the server is never used, and the interpreter lock only for
moments. Queries read without any lock.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mellum_lsp.domain import Caret, Chunk, ScoredChunk
from mellum_lsp.retrieval.folders import Folders
from mellum_lsp.retrieval.interface import Listener
from mellum_lsp.retrieval.keeping import Keeper
from mellum_lsp.retrieval.memory import resident_megabytes
from mellum_lsp.retrieval.messages import Document, Done, Indexed, Scan, Update, unpack_batch
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.retrieval.status import IndexStatus
from mellum_lsp.retrieval.supervisor import Job, Supervisor
from mellum_lsp.workspace.changes import Changes
from mellum_lsp.workspace.ignore import is_rule_file
from mellum_lsp.workspace.secrets import is_secret_path
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.watching import Watching

__all__ = ["IndexStatus", "LiveIndex"]

log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_STATUS_SECONDS = 0.25


class LiveIndex:
    """A `ContextSource`. Every method may be called on an event loop: it notes something and returns."""

    def __init__(
        self,
        folders: Sequence[Path],
        settings: IndexSettings,
        on_status: Callable[[IndexStatus], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_status = on_status
        self._index = ProjectIndex(settings)
        self._writing = threading.Lock()
        self._wake = threading.Condition()
        self._ready = threading.Event()
        self._folders = Folders()
        self._open: dict[tuple[str, str], str] = {}
        self._changes = Changes(settings.debounce_ms / 1000, settings.document_debounce_ms / 1000)
        self._to_watch: dict[str, None] = {}
        self._to_close: set[str] = set()
        self._new_settings: IndexSettings | None = None
        self._rules_changed: set[str] = set()
        self._skipped: dict[str, dict[str, int]] = {}
        self._supervisor = Supervisor(settings, self._indexed, self._done, self._lost)
        self._watching = Watching(settings, self._path_changed)
        self._keeper = Keeper(self._index, self._writing, settings, lambda: self._folders.projects)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._told_at = time.monotonic()
        for folder in folders:
            self.add_folder(Path(folder))

    def start(self) -> None:
        """Begins to index and to watch in the background."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="index", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends the worker, the watcher and the threads; keeps what was indexed for the next session."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._supervisor.close()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def add_folder(self, path: Path) -> None:
        with self._wake:
            root = self._folders.add(Path(path))
            for other in [other for other in self._folders if self._folders.is_loose(other)]:
                if Path(other).is_relative_to(root):
                    self._close_folder(other)
            self._open_folder(root)

    def remove_folder(self, path: Path) -> None:
        with self._wake:
            self._close_folder(str(path))
            self._stir()

    def update_settings(self, settings: IndexSettings) -> None:
        """Other rules of what is indexed: what they exclude leaves the index, what they admit joins it.

        How files are cut, and all that is not about files, stays as it was when the index was made.
        """
        with self._wake:
            if settings != self._settings:
                self._settings = self._new_settings = settings
                for root in self._folders:
                    self._rules_changed.add(root)
                    self._to_watch[root] = None
                    self._changes.scan(root, time.monotonic())
                self._stir()

    def document_opened_or_changed(self, path: Path, text: str) -> None:
        """The editor's text counts, whatever the disk says, until the document is closed.

        Of a document outside of all folders the other files of its own folder are indexed as well, some
        hundred at most and none of the folders in it.
        """
        with self._wake:
            place = self._folders.locate(path)
            if place is None and not is_secret_path(path.as_posix()):
                self._open_folder(self._folders.add(path.parent, loose=True))
                place = self._folders.locate(path)
            if place is not None:
                self._open[place] = text
                self._index.mark_open(place[1], place[0])
                self._changes.document(*place, text, time.monotonic())
                self._stir()

    def document_closed(self, path: Path) -> None:
        with self._wake:
            place = self._folders.locate(path)
            if place is None:
                return
            self._open.pop(place, None)
            self._index.mark_closed(place[1], place[0])
            if self._folders.is_loose(place[0]) and not any(root == place[0] for root, _ in self._open):
                self._close_folder(place[0])
            else:
                self._changes.closed(*place, time.monotonic())
            self._stir()

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Paths that the editor says were created, changed, renamed or deleted."""
        for path in paths:
            with self._wake:
                place = self._folders.locate(path)
            if place is not None:
                self._path_changed(*place)

    def wait_until_ready(self, timeout: float) -> bool:
        """Waits until all that was noted so far is in the index; False after ``timeout`` seconds."""
        return self._ready.wait(timeout)

    def status(self) -> IndexStatus:
        skipped: Counter[str] = Counter()
        for counts in list(self._skipped.values()):
            skipped.update(counts)
        if self._supervisor.failed:
            state = "failed"
        elif not self._folders:
            state = "empty"
        else:
            state = "ready" if self._ready.is_set() else "indexing"
        index = self._index
        return IndexStatus(index.files, index.chunks, state, index.bytes, dict(skipped), self._watching.why)

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        root = self._folders.real(caret.root) if caret.root else self._loose_root(caret.path)
        return self._index.query(replace(caret, root=root), limit)

    @property
    def generation(self) -> int:
        return self._index.generation

    def on_change(self, listener: Listener) -> Callable[[], None]:
        return self._index.on_change(listener)

    def is_gone(self, chunk: Chunk) -> bool:
        return self._index.is_gone(chunk)

    def compressed(self, chunk: Chunk) -> Chunk | None:
        return self._index.compressed(chunk)

    def resident_megabytes(self) -> float:
        """The memory of this process and of the worker, while it runs."""
        pid = self._supervisor.pid
        return resident_megabytes() + (resident_megabytes(pid) if pid is not None else 0.0)

    def all_chunks(self) -> list[Chunk]:
        """Every chunk in the index."""
        with self._writing:
            return list(self._index.all_chunks())

    # What is noted, under the lock `_wake`.

    def _open_folder(self, root: str) -> None:
        self._to_watch[root] = None
        self._changes.scan(root, time.monotonic())
        self._stir()

    def _close_folder(self, path: str) -> None:
        root = self._folders.remove(Path(path))
        self._changes.forget(root)
        self._open = {key: text for key, text in self._open.items() if key[0] != root}
        self._skipped.pop(root, None)
        self._to_close.add(root)

    def _loose_root(self, path: str) -> str:
        """The loose folder of an open document; empty where there is none."""
        with self._wake:
            roots = (root for root, name in self._open if name == path and self._folders.is_loose(root))
            return next(roots, "")

    def _path_changed(self, root: str, path: str) -> None:
        with self._wake:
            if root not in self._folders:
                return
            self._changes.path(root, path, time.monotonic())
            if is_rule_file(path):
                self._rules_changed.add(root)
            if is_rule_file(path) or path == ".":
                self._to_watch[root] = None
            if self._changes:
                self._stir()

    def _stir(self) -> None:
        self._ready.clear()
        self._wake.notify()

    # The thread that sends work.

    def _run(self) -> None:
        self._guarded(self._restore)
        while True:
            with self._wake:
                if self._closed:
                    break
                due = self._changes.seconds_until_due(time.monotonic())
                if due != 0.0 and not self._to_watch and not self._to_close:
                    self._settle()
                    self._wake.wait(_TICK_SECONDS if due is None else min(due, _TICK_SECONDS))
            self._guarded(self._step)
        self._watching.close()
        self._guarded(self._keeper.close)

    def _guarded(self, work: Callable[[], None]) -> None:
        """One failure must not end the thread that everything else needs."""
        try:
            work()
        except Exception:
            log.exception("the index could not do a part of its work")
            time.sleep(0 if self._closed else _TICK_SECONDS)

    def _restore(self) -> None:
        if self._keeper.restore():
            self._tell()
        for root in self._index.roots():
            self._drop_folder(root)

    def _step(self) -> None:
        """Everything that is due now, once."""
        now = time.monotonic()
        with self._wake:
            to_watch, self._to_watch = self._to_watch, {}
            to_close, self._to_close = self._to_close, set()
            settings, self._new_settings = self._new_settings, None
            work = self._changes.take(now)
        if settings is not None:
            self._supervisor.update_settings(settings)
            self._watching.update_settings(settings)
        for root in to_close:
            self._drop_folder(root)
        for root in to_watch:
            if root in self._folders:
                self._watching.watch(root, self._folders.is_loose(root))
        for root, below in work.scans:
            self._scan(root, below)
        for root, paths in work.paths.items():
            self._supervisor.update(root, paths)
        for root, path, text in work.documents:
            self._supervisor.document(root, path, text)
        self._supervisor.check(now)
        with self._wake:
            for root in self._watching.folders_to_scan(now):
                self._changes.scan(root, now)
        if self._ready.is_set():
            self._keeper.save_if_due()

    def _scan(self, root: str, below: str) -> None:
        if root in self._folders:
            with self._writing:
                known = self._index.stamps(root, below)
            self._supervisor.scan(root, known, below, self._folders.is_loose(root))

    def _drop_folder(self, root: str) -> None:
        if root not in self._folders:
            self._watching.unwatch(root)
            self._supervisor.forget(root)
            with self._writing:
                self._index.remove_root(root)

    # The thread that takes over results.

    def _indexed(self, message: Indexed) -> None:
        with self._wake:
            if message.root not in self._folders:
                return
            opened = {path for root, path in self._open if root == message.root}
        batch = unpack_batch(message)
        unwanted = opened if not message.from_editor else {e.path for e in batch.files} - opened
        with self._writing:
            self._index.apply(batch, message.root, unwanted)
            self._index.remove_below(message.gone, message.root, () if message.from_editor else opened)
        now = time.monotonic()
        if now - self._told_at > _STATUS_SECONDS:
            self._tell()

    def _done(self, job: Job, done: Done) -> None:
        with self._wake:
            if done.skipped is not None and job.root in self._folders:
                self._skipped[job.root] = done.skipped
                self._judge_open_documents(job.root)
            for folder in done.folders if job.root in self._folders else ():
                self._changes.scan(job.root, time.monotonic(), folder)
            self._wake.notify()

    def _judge_open_documents(self, root: str) -> None:
        """After a change of the rules: a scan by the new ones says nothing of open documents."""
        if root in self._rules_changed:
            self._rules_changed.discard(root)
            for (of, path), text in self._open.items():
                if of == root:
                    self._changes.document(of, path, text, time.monotonic())

    def _lost(self, jobs: list[Job]) -> None:
        now = time.monotonic()
        with self._wake:
            for job in jobs:
                if isinstance(job, Scan):
                    self._changes.scan(job.root, now, job.below)
                elif isinstance(job, Update):
                    for path in job.paths:
                        self._changes.path(job.root, path, now)
                elif isinstance(job, Document) and (job.root, job.path) in self._open:
                    self._changes.document(job.root, job.path, self._open[job.root, job.path], now)
            self._wake.notify()

    def _settle(self) -> None:
        """Says that all is done, when all is done."""
        if not self._ready.is_set() and not self._changes and not self._supervisor.busy:
            self._ready.set()
            self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        if self._on_status is not None:
            try:
                self._on_status(self.status())
            except Exception:
                log.exception("the listener for the index's status failed")
