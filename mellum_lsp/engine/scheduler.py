"""Which request is served next, and who interrupts whom."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.interface import GenerationStats, Priority, Token
from mellum_lsp.engine.messages import FromEngine, Generate, Generated, Prefilled

Send = Callable[[FromEngine], None]


@dataclass(slots=True, eq=False)
class Job:
    """A request, which server it came from, where its answers go, and when it came (seconds of the monotonic
    clock).

    ``queued_ms`` is how long it waited, known once it is taken.
    """

    request: Generate
    server: int
    send: Send
    arrived: float
    queued_ms: float = 0.0

    @property
    def priority(self) -> Priority:
        return Priority.BACKGROUND if self.request.priority < Priority.INTERACTIVE else Priority.INTERACTIVE

    def prefilled(self, stats: GenerationStats) -> None:
        """Tell that the prompt has been evaluated."""
        self.send(Prefilled(self.request.id, replace(stats, queued_ms=self.queued_ms)))

    def emit(self, token: Token) -> None:
        """Send one token of the answer."""
        self.send(Generated(self.request.id, token.id, token.piece, token.probability))


class Scheduler:
    """Interactive before background; the servers take turns, the jobs of each stay in order. All methods may
    be called from any thread.

    The abort flag belongs to the job that `take` returned last: an abort that comes too late never hits the
    next.
    """

    def __init__(self, abort: AbortFlag):
        self._abort = abort
        self._changed = threading.Condition()
        self._woken = False
        self._waiting = {Priority.INTERACTIVE: _Turns(), Priority.BACKGROUND: _Turns()}
        self._running: Job | None = None

    def submit(self, job: Job) -> None:
        """Queue the job; an interactive one ends the background job that runs."""
        with self._changed:
            self._waiting[job.priority].append(job)
            running = self._running
            if running and running.priority is Priority.BACKGROUND and job.priority is Priority.INTERACTIVE:
                self._abort.set()
            self._changed.notify()

    def abort(self, server: int, request_id: int) -> Job | None:
        """End the job of this server with this id. One that still waits is returned, and never starts."""
        with self._changed:
            running = self._running
            if running and (running.server, running.request.id) == (server, request_id):
                self._abort.set()
                return None
            for turns in self._waiting.values():
                if job := turns.remove(server, request_id):
                    return job
        return None

    def forget(self, server: int) -> None:
        """End all jobs of a server that has gone."""
        with self._changed:
            if self._running and self._running.server == server:
                self._abort.set()
            for turns in self._waiting.values():
                turns.forget(server)

    def wake(self) -> None:
        """Let `take` return, with or without a job."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def take(self, seconds: float = math.inf) -> Job | None:
        """Make the next job the running one; None where none came within so many seconds, or after a
        `wake`."""
        with self._changed:
            self._running = None
            self._changed.wait_for(
                lambda: self._woken or any(self._waiting.values()),
                None if math.isinf(seconds) else min(seconds, threading.TIMEOUT_MAX),
            )
            self._woken = False
            for turns in self._waiting.values():
                if job := turns.take():
                    self._running = job
                    self._abort.clear()
                    return job
        return None


class _Turns:
    """Jobs that wait. Who was served stands behind those who have not been yet."""

    def __init__(self) -> None:
        self._queues: OrderedDict[int, deque[Job]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._queues)

    def append(self, job: Job) -> None:
        self._queues.setdefault(job.server, deque()).append(job)

    def take(self) -> Job | None:
        if not self._queues:
            return None
        server, queue = self._queues.popitem(last=False)
        job = queue.popleft()
        if queue:
            self._queues[server] = queue
        return job

    def remove(self, server: int, request_id: int) -> Job | None:
        for job in self._queues.get(server, ()):
            if job.request.id == request_id:
                self._queues[server].remove(job)
                if not self._queues[server]:
                    del self._queues[server]
                return job
        return None

    def forget(self, server: int) -> None:
        self._queues.pop(server, None)
