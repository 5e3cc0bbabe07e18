"""The index of the open workspace folders, kept true to the disk and to the editor's unsaved documents.

Who does what: the watcher, the editor and a timer only note what may have changed (`Agenda`); one thread of
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
from mellum_lsp.retrieval.agenda import Agenda
from mellum_lsp.retrieval.interface import Listener
from mellum_lsp.retrieval.keeping import Keeper
from mellum_lsp.retrieval.memory import resident_megabytes
from mellum_lsp.retrieval.messages import Done, Indexed, unpack_batch
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.retrieval.status import IndexStatus
from mellum_lsp.retrieval.supervisor import Job, Supervisor
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.watching import Watching

__all__ = ["IndexStatus", "LiveIndex"]

log = logging.getLogger(__name__)

_STATUS_SECONDS = 0.25
_AFTER_TROUBLE_SECONDS = 1.0


class LiveIndex:
    """A `ContextSource`. Every method may be called on an event loop: it notes something and returns."""

    def __init__(
        self,
        folders: Sequence[Path],
        settings: IndexSettings,
        on_status: Callable[[IndexStatus], None] | None = None,
    ) -> None:
        self._on_status = on_status
        self._index = ProjectIndex(settings)
        self._writing = threading.Lock()
        self._agenda = Agenda(settings)
        self._skipped: dict[str, dict[str, int]] = {}
        self._supervisor = Supervisor(settings, self._indexed, self._done, self._agenda.lost)
        self._watching = Watching(settings, self._agenda.path_changed)
        self._keeper = Keeper(self._index, self._writing, settings, lambda: self._agenda.projects)
        self._thread: threading.Thread | None = None
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
        self._agenda.end()
        self._supervisor.close()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def add_folder(self, path: Path) -> None:
        self._agenda.add_folder(Path(path))

    def remove_folder(self, path: Path) -> None:
        self._agenda.remove_folder(path)

    def update_settings(self, settings: IndexSettings) -> None:
        """Other rules of what is indexed: what they exclude leaves the index, what they admit joins it.

        How files are cut, and all that is not about files, stays as it was when the index was made.
        """
        self._agenda.update_settings(settings)

    def document_opened_or_changed(self, path: Path, text: str) -> None:
        """The editor's text counts, whatever the disk says, until the document is closed.

        Of a document outside of all folders the other files of its own folder are indexed as well, some
        hundred at most and none of the folders in it.
        """
        if (place := self._agenda.document(path, text)) is not None:
            self._index.mark_open(place[1], place[0])

    def document_closed(self, path: Path) -> None:
        if (place := self._agenda.document_closed(path)) is not None:
            self._index.mark_closed(place[1], place[0])

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Paths that the editor says were created, changed, renamed or deleted."""
        self._agenda.files_changed(paths)

    def wait_until_ready(self, timeout: float) -> bool:
        """Waits until all that was noted so far is in the index; False after ``timeout`` seconds."""
        return self._agenda.settled.wait(timeout)

    def status(self) -> IndexStatus:
        skipped: Counter[str] = Counter()
        for counts in list(self._skipped.values()):
            skipped.update(counts)
        if self._supervisor.failed:
            state = "failed"
        elif not self._agenda:
            state = "empty"
        else:
            state = "ready" if self._agenda.settled.is_set() else "indexing"
        index = self._index
        return IndexStatus(index.files, index.chunks, state, index.bytes, dict(skipped), self._watching.why)

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        return self._index.query(replace(caret, root=self._agenda.root_of(caret.root, caret.path)), limit)

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

    # The thread that sends work.

    def _run(self) -> None:
        self._guarded(self._restore)
        while self._agenda.wait(lambda: self._supervisor.busy, self._tell):
            self._guarded(self._step)
        self._watching.close()
        self._guarded(self._keeper.close)

    def _guarded(self, work: Callable[[], None]) -> None:
        """One failure must not end the thread that everything else needs."""
        try:
            work()
        except Exception:
            log.exception("the index could not do a part of its work")
            time.sleep(0 if self._agenda.has_ended else _AFTER_TROUBLE_SECONDS)

    def _restore(self) -> None:
        if self._keeper.restore():
            self._tell()
        for root in self._index.roots():
            self._drop_folder(root)

    def _step(self) -> None:
        """Everything that is due now, once."""
        due = self._agenda.take()
        if due.settings is not None:
            self._supervisor.update_settings(due.settings)
            self._watching.update_settings(due.settings)
        for root in due.to_close:
            self._drop_folder(root)
        for root in due.to_watch:
            if root in self._agenda:
                self._watching.watch(root, self._agenda.is_loose(root))
        for root, below in due.work.scans:
            self._scan(root, below)
        for root, paths in due.work.paths.items():
            self._supervisor.update(root, paths)
        for root, path, text in due.work.documents:
            self._supervisor.document(root, path, text)
        now = time.monotonic()
        self._supervisor.check(now)
        for root in self._watching.folders_to_scan(now):
            self._agenda.scan(root)
        if self._agenda.settled.is_set():
            self._keeper.save_if_due()

    def _scan(self, root: str, below: str) -> None:
        if root in self._agenda:
            with self._writing:
                known = self._index.stamps(root, below)
            self._supervisor.scan(root, known, below, self._agenda.is_loose(root))

    def _drop_folder(self, root: str) -> None:
        if root not in self._agenda:
            self._skipped.pop(root, None)
            self._watching.unwatch(root)
            self._supervisor.forget(root)
            with self._writing:
                self._index.remove_root(root)

    # The thread that takes over results.

    def _indexed(self, message: Indexed) -> None:
        opened = self._agenda.open_documents(message.root)
        if opened is None:
            return
        batch = unpack_batch(message)
        unwanted = opened if not message.from_editor else {e.path for e in batch.files} - opened
        with self._writing:
            self._index.apply(batch, message.root, unwanted)
            self._index.remove_below(message.gone, message.root, () if message.from_editor else opened)
        if time.monotonic() - self._told_at > _STATUS_SECONDS:
            self._tell()

    def _done(self, job: Job, done: Done) -> None:
        if done.skipped is not None and job.root in self._agenda:
            self._skipped[job.root] = done.skipped
        self._agenda.done(job.root, scanned=done.skipped is not None, to_scan=done.folders)

    # Either of them.

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        if self._on_status is not None:
            try:
                self._on_status(self.status())
            except Exception:
                log.exception("the listener for the index's status failed")
