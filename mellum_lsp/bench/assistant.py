"""What a simulated typist types beside: something that watches the document and shows ghosts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import psutil

from mellum_lsp.bench.document import Document, Edit, Ghost


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request.

    ``milliseconds`` are from the request to its reply, ``key_milliseconds`` from the key that led to it.
    ``source`` is that of `mellum_lsp.completion.outcome.Source`, ``reason`` says why nothing is shown.
    ``superseded`` requests were withdrawn before they were answered. ``characters`` were shown, and ``right``
    says whether every one of them stood there in the true file. ``evaluated`` and ``generated`` are tokens.
    """

    milliseconds: float
    key_milliseconds: float
    source: str = ""
    reason: str = ""
    superseded: bool = False
    characters: int = 0
    right: bool = False
    prompt: int = 0
    evaluated: int = 0
    generated: int = 0


class Spent(msgspec.Struct, frozen=True):
    """What was spent so far: seconds of all cores, and tokens, those of background work included."""

    cpu_seconds: float = 0.0
    evaluated: int = 0
    generated: int = 0

    def since(self, before: Spent) -> Spent:
        return Spent(
            self.cpu_seconds - before.cpu_seconds,
            self.evaluated - before.evaluated,
            self.generated - before.generated,
        )


class Assistant(Protocol):
    """Hears what the typist does and shows ghosts on ``screen``; what came of requests is in ``answers``."""

    screen: Screen
    answers: list[Answer]

    def opened(self, document: Document) -> None: ...
    def edited(self, document: Document, edit: Edit) -> None: ...
    def moved(self, document: Document, caret: int) -> None: ...
    def taken(self, document: Document, edit: Edit, whole: bool) -> None: ...
    def closed(self, document: Document) -> None: ...

    async def settle(self) -> None:
        """Withdraw what is under way and wait until it has been answered."""

    def spent(self) -> Spent: ...


@dataclass(slots=True)
class Screen:
    """The ghost that the user sees, None where there is none; ``since`` is when it appeared.

    ``changed`` is set whenever another one is shown. Times are those of `time.perf_counter`. ``judge`` knows
    whether a ghost is right where the caret is now.
    """

    ghost: Ghost | None = None
    since: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    judge: Callable[[Ghost], bool] = lambda ghost: False

    def show(self, ghost: Ghost | None) -> None:
        """What stays as it is keeps its time."""
        if ghost == self.ghost:
            return
        self.ghost, self.since = ghost, time.perf_counter()
        self.changed.set()

    def type(self, edit: Edit) -> bool:
        """A key was pressed: the ghost goes on where that is its next character; whether it does."""
        ghost = self.ghost
        typed = edit.text
        if (
            ghost
            and not edit.replaced
            and edit.caret == edit.start + len(typed)
            and ghost.text.startswith(typed)
            and ghost.text != typed
        ):
            self.ghost = Ghost(ghost.text[len(typed) :], ghost.replaces)
            return True
        self.show(None)
        return False


class Processes:
    """The processor time of a process and all that it started, ended ones included. Raises nothing."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[int, float] = {}
        """The largest time seen of every process."""

    def seconds(self) -> float:
        """Seconds of all cores so far. A process that ended since the last call counts as it was then."""
        try:
            root = psutil.Process(self._pid)
            family = [root, *root.children(recursive=True)]
        except psutil.Error:
            family = []
        for process in family:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            self._seen[process.pid] = times.user + times.system
        return sum(self._seen.values())
