"""What the planner knows of every document: its plans, and what they were last compared with."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeGuard

from mellum_lsp.domain import Caret
from mellum_lsp.engine.interface import Generation
from mellum_lsp.prompt.plan import Plan, line_of

_REMEMBERED_DOCUMENTS = 64


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan for one request; ``document`` names the engine's KV sequence that it lives in.

    ``is_micro`` says that it knows no more than a few lines, for want of time.
    """

    plan: Plan
    document: str
    retrieval_ms: float
    is_micro: bool = False


@dataclass(slots=True)
class Document:
    """The plans of one document.

    ``full`` has been evaluated, last for the caret ``read_at``, and holds nothing that is gone; ``coming`` is
    to replace it once that is evaluated too, by ``evaluation`` if that runs. ``latest`` is the caret that was
    planned for last. The newest plan was compared with the project as of ``generation``, for a caret on line
    ``line``; ``hurried`` says that the project was too late for it. ``warming`` and ``attending`` are the
    tasks that evaluate what is coming and keep the newest plan up to date.
    """

    name: str
    latest: Caret
    micro: Planned | None = None
    full: Planned | None = None
    read_at: Caret | None = None
    coming: Planned | None = None
    hurried: bool = False
    generation: int = -1
    line: int = -1
    evaluation: Generation | None = None
    warming: asyncio.Task[None] | None = None
    attending: asyncio.Task[None] | None = None
    comparing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def newest(self) -> Planned | None:
        """The plan that the latest caret will be served by, evaluated or not."""
        if fits(self.coming, self.latest):
            return self.coming
        return self.full if fits(self.full, self.latest) else None

    @property
    def latest_full(self) -> Planned | None:
        """The full plan that was made last, whether it still fits or not."""
        return self.coming or self.full

    def expect(self, plan: Plan, retrieval_ms: float) -> Planned:
        """``plan`` is to be evaluated; what is being evaluated in its place is given up.

        Two sequences take turns, so that the old prompt stays evaluated while the new one is.
        """
        other = self.full is not None and self.full.document == f"{self.name}#0"
        self.coming = Planned(plan, f"{self.name}#{int(other)}", retrieval_ms)
        if self.evaluation:
            self.evaluation.abort()
        return self.coming

    def evaluated(self, planned: Planned, caret: Caret) -> None:
        """The plan's prompt for ``caret`` has been evaluated; from now on it serves, if it is the one
        expected."""
        if self.coming and self.coming.plan is planned.plan:
            self.full, self.coming = self.coming, None
        if self.full and self.full.plan is planned.plan:
            self.read_at = caret

    def is_warm(self, caret: Caret) -> bool:
        """Whether ``full`` may serve ``caret`` and only what was typed is to be evaluated for that.

        Where the caret has moved by lines, other lines stand below it, in front of the prefix: the plan still
        holds, but everything behind its context is to be evaluated again.
        """
        if not fits(self.full, caret):
            return False
        plan = self.full.plan
        if self.read_at is None or not plan.dialect.prefix_last:
            return True
        return plan.window(self.read_at).suffix == plan.window(caret).suffix

    def compared(self, generation: int, caret: Caret) -> None:
        """Note what the newest plan has been compared with."""
        self.generation, self.line = generation, line_of(caret)

    def is_current(self, generation: int) -> bool:
        """Whether the newest plan, if there is one, has been compared with the project as it is now."""
        return self.newest is None or (self.generation, self.line) == (generation, line_of(self.latest))

    def forget(self) -> None:
        """End what goes on in the background."""
        for task in (self.warming, self.attending):
            if task:
                task.cancel()


class Documents:
    """The documents planned for most recently."""

    def __init__(self) -> None:
        self._by_name: OrderedDict[str, Document] = OrderedDict()

    @property
    def active(self) -> Document | None:
        """The one planned for last."""
        return next(reversed(self._by_name.values()), None)

    def get(self, caret: Caret) -> Document | None:
        return self._by_name.get(_name(caret))

    def note(self, caret: Caret) -> Document:
        """The document of ``caret``, its latest from now on; a plan for elsewhere is evaluated no further."""
        name = _name(caret)
        document = self._by_name.setdefault(name, Document(name, caret))
        document.latest = caret
        if document.evaluation and not fits(document.coming, caret):
            document.evaluation.abort()
        self._by_name.move_to_end(name)
        while len(self._by_name) > _REMEMBERED_DOCUMENTS:
            self._by_name.popitem(last=False)[1].forget()
        return document

    def clear(self) -> list[asyncio.Task[None]]:
        """Forget all; returns the tasks that now come to their end."""
        tasks = [task for one in self._by_name.values() for task in (one.warming, one.attending) if task]
        for document in self._by_name.values():
            document.forget()
        self._by_name.clear()
        return tasks


def fits(planned: Planned | None, caret: Caret) -> TypeGuard[Planned]:
    """Whether there is a plan that may serve ``caret``."""
    return planned is not None and planned.plan.still_fits(caret)


def _name(caret: Caret) -> str:
    return caret.document or caret.path
