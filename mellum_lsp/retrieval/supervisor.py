"""Keeps an index worker alive for as long as there is work, and learns from its deaths."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping

from mellum_lsp.retrieval.messages import (
    Configure,
    Document,
    Done,
    Forget,
    Indexed,
    Reply,
    Scan,
    Update,
)
from mellum_lsp.retrieval.worker_process import WorkerProcess
from mellum_lsp.workspace.settings import IndexSettings

log = logging.getLogger(__name__)

LONGEST_SECONDS_A_FILE = 15.0
MAX_CRASHES = 20
_NEVER_AFTER = 2

Job = Scan | Update | Document | Forget


class Supervisor:
    """Sends requests to a worker that it starts when needed. ``on_indexed`` and ``on_done`` come on its
    thread.

    When a worker dies over a file, ``on_lost`` gets the requests that it left, to be asked again: the next
    worker cuts that file by lines alone, and if that kills it too, the one after it leaves the file out.
    """

    def __init__(
        self,
        settings: IndexSettings,
        on_indexed: Callable[[Indexed], None],
        on_done: Callable[[Job, Done], None],
        on_lost: Callable[[list[Job]], None],
    ) -> None:
        self._settings = settings
        self._on_indexed = on_indexed
        self._on_done = on_done
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._waiting: dict[int, Job] = {}
        self._ids = itertools.count(1)
        self._deadly: Counter[str] = Counter()
        self._crashes = 0
        self._closed = False
        self._in_hand: tuple[str | None, float] = (None, 0.0)

    @property
    def pid(self) -> int | None:
        worker = self._worker
        return worker.pid if worker is not None else None

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    @property
    def failed(self) -> bool:
        """Whether workers died so often that none is started any more."""
        return self._crashes > MAX_CRASHES

    def scan(
        self, root: str, known: Mapping[str, tuple[int, int]], below: str = "", loose: bool = False
    ) -> None:
        self._send(Scan(next(self._ids), root, dict(known), below, loose))

    def update(self, root: str, paths: list[str]) -> None:
        self._send(Update(next(self._ids), root, paths))

    def document(self, root: str, path: str, text: str) -> None:
        whole = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate could not be sent
        self._send(Document(next(self._ids), root, path, whole))

    def forget(self, root: str) -> None:
        if self._worker is not None:
            self._send(Forget(next(self._ids), root))

    def update_settings(self, settings: IndexSettings) -> None:
        """What is asked from now on is served by these settings."""
        with self._lock:
            self._settings = settings
            worker = self._worker
            if worker is not None:
                worker.send(self._configuration())

    def check(self, now: float) -> None:
        """Ends a worker that is stuck in one file; to be called every second or so with a clock's seconds."""
        worker = self._worker
        path = worker.path_in_hand() if worker is not None and self._waiting else None
        if path is None or path != self._in_hand[0]:
            self._in_hand = (path, now)
        elif worker is not None and now - self._in_hand[1] > LONGEST_SECONDS_A_FILE:
            log.warning("indexing %s takes too long; it will be cut by lines", path)
            worker.end()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
            self._waiting.clear()
        if worker is not None:
            worker.end()

    def _send(self, job: Job) -> None:
        try:
            with self._lock:
                if self._closed or self.failed:
                    return
                self._waiting[job.id] = job
                worker = self._worker or self._start()
        except OSError as error:
            self._cannot_start(job, error)
        else:
            if not worker.send(job):
                log.debug("the index worker had ended; its end brings the request back")

    def _cannot_start(self, job: Job, error: OSError) -> None:
        log.warning("the index worker could not be started: %s", error)
        with self._lock:
            self._waiting.pop(job.id, None)
            self._crashes += 1
        self._on_lost([job])

    def _start(self) -> WorkerProcess:
        worker = self._worker = WorkerProcess(
            self._reply, lambda in_peace, path: self._ended(worker, in_peace, path)
        )
        worker.send(self._configuration())
        return worker

    def _configuration(self) -> Configure:
        plain = [path for path, deaths in self._deadly.items() if deaths < _NEVER_AFTER]
        never = [path for path, deaths in self._deadly.items() if deaths >= _NEVER_AFTER]
        return Configure(self._settings, plain, never)

    def _reply(self, reply: Reply) -> None:
        if isinstance(reply, Indexed):
            self._on_indexed(reply)
            return
        job = self._waiting.get(reply.id)
        if job is not None:
            self._on_done(job, reply)
            self._waiting.pop(reply.id, None)

    def _ended(self, worker: WorkerProcess, in_peace: bool, path: str | None) -> None:
        with self._lock:
            if self._worker is worker:
                self._worker = None
            lost, self._waiting = list(self._waiting.values()), {}
            if self._closed:
                return
            if lost and not in_peace:
                self._crashes += 1
                if path is not None:
                    self._deadly[path] += 1
        if lost:
            if not in_peace:
                log.warning("the index worker ended unexpectedly%s", f" over {path}" if path else "")
            self._on_lost(lost)
