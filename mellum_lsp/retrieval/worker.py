"""The index worker: a process that walks, reads, parses and tokenises, so that the server never does.

Started as ``python -m mellum_lsp.retrieval.worker PROGRESS_FILE`` with requests on standard input and
replies on standard output. One thread works: on a scan in slices, and between the slices on whatever is
asked meanwhile. It writes the path in hand to the progress file, so that its parent knows what it died of
or hangs in. It ends with its standard input, that is with its parent, and by itself when nothing was asked
for a while.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mellum_lsp.retrieval.analysis import Source, Stamp, analyse
from mellum_lsp.retrieval.messages import (
    Configure,
    Document,
    Done,
    Forget,
    Reply,
    Request,
    Scan,
    Update,
    pack_batch,
    read_request,
    write_message,
)
from mellum_lsp.workspace.filters import Skip, read_text, skip_by_text
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.walk import FoundFile, Walker

_NICENESS = 5
_BATCH_FILES = 64
_BATCH_BYTES = 128_000
_SLICE_SECONDS = 0.02


class Gathering:
    """Files of one folder on their way into one batch."""

    def __init__(self, root: str, from_editor: bool = False) -> None:
        self.root = root
        self.sources: list[Source] = []
        self.gone: list[str] = []
        self.from_editor = from_editor
        self._bytes = 0

    def add(self, source: Source) -> None:
        self.sources.append(source)
        self._bytes += len(source.text)

    def clear(self) -> None:
        self.sources, self.gone, self._bytes = [], [], 0

    @property
    def full(self) -> bool:
        return len(self.sources) >= _BATCH_FILES or self._bytes >= _BATCH_BYTES or len(self.gone) >= 1024


class Worker:
    """Serves requests; ``progress`` is an open file descriptor or -1."""

    def __init__(self, replies: BinaryIO, progress: int = -1) -> None:
        self._replies = replies
        self._progress = progress
        self._settings = IndexSettings()
        self._plain: frozenset[str] = frozenset()
        self._never: frozenset[str] = frozenset()
        self._walkers: dict[str, Walker] = {}
        self._scans: list[tuple[Scan, Iterator[None]]] = []

    @property
    def idle_seconds(self) -> float:
        """How long to wait for the next request."""
        return self._settings.worker_idle_seconds

    @property
    def busy(self) -> bool:
        return bool(self._scans)

    def serve(self, request: Request) -> None:
        """Serves a request at once, but for a scan, which only begins."""
        if isinstance(request, Configure):
            self._settings = request.settings
            self._plain, self._never = frozenset(request.plain), frozenset(request.never)
            self._walkers.clear()
        elif isinstance(request, Scan):
            if not request.below:  # then with today's rules
                self._walkers[request.root] = Walker(Path(request.root), self._settings, request.loose)
            self._scans.append((request, self._scan(request)))
        elif isinstance(request, Update):
            self._update(request)
        elif isinstance(request, Document):
            self._document(request)
        else:
            self._forget(request)

    def advance(self) -> None:
        """Works on the oldest scan for a slice of time, and hands out what it has found."""
        request, steps = self._scans[0]
        end = time.monotonic() + _SLICE_SECONDS
        for _ in steps:
            if time.monotonic() > end:
                return
        self._scans.pop(0)
        self._reply(Done(request.id, None if request.below else dict(self._walker(request.root).skipped)))

    def _scan(self, request: Scan) -> Iterator[None]:
        walker = self._walker(request.root)
        missing = dict(request.known)
        gathering = Gathering(request.root)
        for found in walker.walk(request.below):
            if missing.pop(found.path, None) != (found.size, found.modified_ns):
                self._read(found, walker, gathering)
            if gathering.full:
                self._hand_out(gathering)
                yield
            elif not gathering.sources:
                yield
        self._hand_out(gathering)
        for path in missing:
            self._look_at(path, walker, gathering)
        self._hand_out(gathering)
        yield

    def _update(self, request: Update) -> None:
        walker = self._walker(request.root)
        gathering = Gathering(request.root)
        folders = []
        for path in request.paths:
            if (walker.root / path).is_dir():
                folders.append(path)
                continue
            self._look_at(path, walker, gathering)
            if gathering.full:
                self._hand_out(gathering)
        self._hand_out(gathering)
        self._reply(Done(request.id, folders=folders))

    def _document(self, request: Document) -> None:
        gathering = Gathering(request.root, from_editor=True)
        text = request.text
        if self._walker(request.root).allows(request.path) and skip_by_text(text) is None:
            gathering.add(self._source(request.root, request.path, text, Stamp()))
        else:
            gathering.gone.append(request.path)
        self._hand_out(gathering)
        self._reply(Done(request.id))

    def _forget(self, request: Forget) -> None:
        self._walkers.pop(request.root, None)
        for scan, _ in self._scans:
            if scan.root == request.root:
                self._reply(Done(scan.id))
        self._scans = [one for one in self._scans if one[0].root != request.root]
        self._reply(Done(request.id))

    def _walker(self, root: str) -> Walker:
        walker = self._walkers.get(root)
        if walker is None:
            walker = self._walkers[root] = Walker(Path(root), self._settings)
        return walker

    def _look_at(self, path: str, walker: Walker, gathering: Gathering) -> None:
        found = walker.find(path)
        if found is None:
            gathering.gone.append(path)
        else:
            self._read(found, walker, gathering)

    def _read(self, found: FoundFile, walker: Walker, gathering: Gathering) -> None:
        self._note(walker.root / found.path)
        try:
            path = walker.root / found.path
            text = Skip("unreadable") if str(path) in self._never else read_text(path, self._settings)
        except FileNotFoundError:
            gathering.gone.append(found.path)
            return
        if isinstance(text, Skip):
            walker.skipped[text.reason] += 1
            gathering.gone.append(found.path)
        else:
            stamp = Stamp(found.size, found.modified_ns)
            gathering.add(self._source(str(walker.root), found.path, text, stamp))

    def _source(self, root: str, path: str, text: str, stamp: Stamp) -> Source:
        return Source(path, text, stamp, plain=str(Path(root) / path) in self._plain)

    def _hand_out(self, gathering: Gathering) -> None:
        """Analyses and sends what was gathered: afterwards nothing read is still on its way."""
        if not gathering.sources and not gathering.gone:
            return
        batch = analyse(self._noted(gathering), self._settings)
        self._reply(pack_batch(gathering.root, batch, gathering.gone, gathering.from_editor))
        gathering.clear()

    def _noted(self, gathering: Gathering) -> Iterator[Source]:
        for source in gathering.sources:
            self._note(Path(gathering.root) / source.path)
            yield source
        self._note(None)

    def _note(self, path: Path | None) -> None:
        if self._progress >= 0:
            line = f"{path}\n" if path is not None else "\n"
            os.lseek(self._progress, 0, os.SEEK_SET)
            os.write(self._progress, line.encode("utf-8", "surrogateescape"))

    def _reply(self, reply: Reply) -> None:
        write_message(self._replies, reply)


def _listen(requests: queue.SimpleQueue[Request]) -> None:
    """Reads requests; when the parent is gone, so is this process, whatever it is busy with."""
    try:
        while True:
            requests.put(read_request(sys.stdin.buffer))
    except (EOFError, OSError):
        os._exit(0)


def _open_progress(path: Path) -> int:
    """The descriptor to write to. Both sides hold one, so the name can go at once and never stays behind."""
    descriptor = os.open(path, os.O_WRONLY)
    with contextlib.suppress(OSError):  # not where an open file keeps its name; then the parent sees to it
        path.unlink()
    return descriptor


def main() -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    progress = _open_progress(Path(sys.argv[1])) if len(sys.argv) > 1 else -1
    worker = Worker(replies, progress)
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    gc.freeze()
    while True:
        try:
            worker.serve(requests.get(not worker.busy, timeout=worker.idle_seconds))
        except queue.Empty:
            if not worker.busy:
                return
            worker.advance()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
    os._exit(0)
