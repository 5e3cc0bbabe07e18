"""The index of the open workspace folders, kept true to the disk and to the editor's unsaved documents."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mellum_lsp.domain import Caret, ScoredChunk
from mellum_lsp.retrieval.analysis import Source, Stamp, analyse
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.workspace.filters import Skip, read_text
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.walk import Walker


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """``state``: empty (no folder), indexing or ready. ``bytes`` of indexed text; ``skipped`` files by reason."""

    files: int = 0
    chunks: int = 0
    state: str = "empty"
    bytes: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


class LiveIndex:
    """A `ContextSource`. Every method returns at once; the work is done behind it."""

    def __init__(
        self,
        folders: Sequence[Path],
        settings: IndexSettings,
        on_status: Callable[[IndexStatus], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_status = on_status
        self._index = ProjectIndex(settings)
        self._folders = [Path(folder).resolve() for folder in folders]
        self._skipped: dict[Path, Counter[str]] = {}
        self._open: dict[Path, str] = {}
        self._work: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._idle = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)

    def start(self) -> None:
        for folder in self._folders:
            self._later(partial(self._scan, folder))
        self._thread.start()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()

    def add_folder(self, path: Path) -> None:
        folder = Path(path).resolve()
        self._folders.append(folder)
        self._later(lambda: self._scan(folder))

    def remove_folder(self, path: Path) -> None:
        folder = Path(path).resolve()
        with contextlib.suppress(ValueError):
            self._folders.remove(folder)
        self._later(lambda: self._index.remove_root(str(folder)))

    def document_opened_or_changed(self, path: Path, text: str) -> None:
        self._open[Path(path)] = text
        self._later(lambda: self._update(Path(path)))

    def document_closed(self, path: Path) -> None:
        self._open.pop(Path(path), None)
        self._later(lambda: self._update(Path(path)))

    def files_changed(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._later(partial(self._update, Path(path)))

    def wait_until_ready(self, timeout: float) -> bool:
        return self._idle.wait(timeout)

    def status(self) -> IndexStatus:
        state = "empty" if not self._folders else "ready" if self._idle.is_set() else "indexing"
        skipped: Counter[str] = Counter()
        for counts in list(self._skipped.values()):
            skipped.update(counts)
        return IndexStatus(self._index.files, self._index.chunks, state, self._index.bytes, dict(skipped))

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        return self._index.query(caret, limit)

    def _later(self, work: Callable[[], None]) -> None:
        with self._wake:
            self._idle.clear()
            self._work.append(work)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._work and not self._closed:
                    self._idle.set()
                    if self._on_status:
                        self._on_status(self.status())
                    self._wake.wait()
                if self._closed:
                    return
                work = self._work.popleft()
            work()

    def _scan(self, folder: Path) -> None:
        walker = Walker(folder, self._settings)
        for found in walker.walk():
            if self._closed:
                return
            self._read(folder, walker, found.path, Stamp(found.size, found.modified_ns))
        self._skipped[folder] = walker.skipped

    def _update(self, path: Path) -> None:
        for folder in self._folders:
            if path.is_relative_to(folder):
                walker = Walker(folder, self._settings)
                relative = path.relative_to(folder).as_posix()
                found = walker.find(relative)
                if found is None and not (path in self._open and walker.allows(relative)):
                    self._index.remove(relative, str(folder))
                else:
                    self._read(folder, walker, relative, Stamp(*found[1:]) if found else Stamp())
                return

    def _read(self, folder: Path, walker: Walker, relative: str, stamp: Stamp) -> None:
        text: str | Skip | None = self._open.get(folder / relative)
        if text is None:
            try:
                text = read_text(folder / relative, self._settings)
            except FileNotFoundError:
                text = None
        if isinstance(text, str):
            self._index.apply(analyse([Source(relative, text, stamp)], self._settings), str(folder))
        else:
            if text is not None:
                walker.skipped[text.reason] += 1
            self._index.remove(relative, str(folder))
