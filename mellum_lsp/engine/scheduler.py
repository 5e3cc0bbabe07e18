"""Which request is served next, and who interrupts whom."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.interface import GenerationStats, Priority, Token
from mellum_lsp.engine.messages import FromEngine, Generate, Generated, Prefilled

Send = Callable[[FromEngine], None]


@dataclass(slots=True, eq=False)
class Job:
    """A request, where its answers go, and when it came (seconds of the monotonic clock).

    ``queued_ms`` is how long it waited, known once it is taken.
    """

    request: Generate
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

    def is_called(self, request_id: int, send: Send) -> bool:
        """Ids are unique only for one sender."""
        return self.request.id == request_id and self.send == send


class Scheduler:
    """Interactive before background, otherwise in order of arrival. All methods may be called from any
    thread.

    The abort flag belongs to the job that `take` returned last: an abort that comes too late never hits the
    next.
    """

    def __init__(self, abort: AbortFlag):
        self._abort = abort
        self._changed = threading.Condition()
        self._waiting: dict[Priority, deque[Job]] = {
            Priority.INTERACTIVE: deque(),
            Priority.BACKGROUND: deque(),
        }
        self._running: Job | None = None

    def submit(self, job: Job) -> None:
        """Queue the job; an interactive one ends the background job that runs."""
        with self._changed:
            self._waiting[job.priority].append(job)
            running = self._running
            if running and running.priority is Priority.BACKGROUND and job.priority is Priority.INTERACTIVE:
                self._abort.set()
            self._changed.notify()

    def abort(self, request_id: int, send: Send) -> Job | None:
        """End the job with this id. One that still waits is returned, and never starts."""
        with self._changed:
            if self._running and self._running.is_called(request_id, send):
                self._abort.set()
                return None
            for queue in self._waiting.values():
                for job in queue:
                    if job.is_called(request_id, send):
                        queue.remove(job)
                        return job
        return None

    def take(self) -> Job:
        """Wait for the next job and make it the running one."""
        with self._changed:
            self._running = None
            while True:
                for queue in self._waiting.values():
                    if queue:
                        self._running = queue.popleft()
                        self._abort.clear()
                        return self._running
                self._changed.wait()
