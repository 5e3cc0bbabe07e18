"""Keeps the plans of documents true to the project and warm, in the background.

A full plan lasts while the caret stays near and the project as it is. It is compared with the project when
that changes, and when the caret comes to another line; never while somebody types on one line. What comes of
a comparison is decided by `mellum_lsp.prompt.revision`.
"""

from __future__ import annotations

import asyncio
import logging

from mellum_lsp.completion.making import PlanMaker
from mellum_lsp.completion.planned import Document, Planned, fits
from mellum_lsp.domain import Caret
from mellum_lsp.engine.interface import Engine, GenerateRequest, Priority
from mellum_lsp.prompt.plan import Plan
from mellum_lsp.prompt.revision import gone_from, is_outdone, revised

log = logging.getLogger(__name__)

PATIENT_SECONDS = 10.0
"""How long work that nobody waits for at the keyboard waits for the project."""
_PAUSE_SECONDS = 0.02
"""Between two attempts to evaluate a plan, so that a busy engine is not asked in a loop."""
_SETTLE_SECONDS = 0.1
"""Between two comparisons with a project that goes on changing."""


class Upkeep:
    """Background work gives way while ``idle`` is not set. Lives on one event loop."""

    def __init__(self, engine: Engine, maker: PlanMaker, idle: asyncio.Event) -> None:
        self._engine = engine
        self._maker = maker
        self._project = maker.project
        self._idle = idle

    # ---- true to the project

    def attend(self, document: Document) -> None:
        """Compare the newest plan with the project in the background, until there is nothing new."""
        if document.attending is None and not document.is_current(self._project.generation):
            document.attending = asyncio.create_task(self._attend(document), name="attend to a plan")
            document.attending.add_done_callback(lambda task: _attended(document, task))

    async def _attend(self, document: Document) -> None:
        while not document.is_current(self._project.generation):
            await self.compare(document, PATIENT_SECONDS)
            self.warm(document)
            await asyncio.sleep(_SETTLE_SECONDS)

    async def compare(self, document: Document, seconds: float) -> None:
        """Bring the newest plan up to date with the project, asked for at most ``seconds`` at a time."""
        async with document.comparing:
            generation, caret = self._project.generation, document.latest
            if document.newest and generation != document.generation:
                await self._take_over_changes(document, document.newest, seconds)
                document.generation = generation
            if document.newest and not document.is_current(generation):
                await self._look_around(document, document.newest, seconds)
                document.compared(generation, caret)

    async def _take_over_changes(self, document: Document, newest: Planned, seconds: float) -> None:
        """Drop what is gone, and take up what is new at the place that the newest plan was made for."""
        caret, full = document.latest, document.full
        found = await self._project.find(newest.plan.made_at, seconds)
        if found is None:
            return

        def judge() -> tuple[Plan, bool, bool]:
            is_gone, compress = self._project.is_gone, self._project.compressed
            plan = revised(newest.plan, caret, found, is_gone, compress)
            lost = full is not None and bool(gone_from(full.plan, caret, is_gone))
            return plan, lost, is_outdone(plan, plan.made_at, found, compress)

        plan, lost, outdone = await self._maker.in_thread(judge)
        if document.newest is not newest:
            return  # made anew meanwhile
        if lost:
            document.full = None  # rather the few lines of the micro plan than what is gone
        if outdone:
            await self._maker.full(document, caret, seconds)
        elif plan.context != newest.plan.context:
            document.expect(plan, 0.0)

    async def _look_around(self, document: Document, newest: Planned, seconds: float) -> None:
        """Make a new plan where the caret now is, if there is something clearly better for it."""
        caret = document.latest
        found = await self._project.find(caret, seconds)
        if found is None:
            return
        outdone = await self._maker.in_thread(
            lambda: is_outdone(newest.plan, caret, found, self._project.compressed)
        )
        if outdone and document.newest is newest:
            await self._maker.full(document, caret, seconds, found)

    # ---- warm

    def warm(self, document: Document) -> None:
        """Make and evaluate the full plan in the background, where that is not done yet."""
        if document.warming or (document.coming is None and document.is_warm(document.latest)):
            return
        document.warming = asyncio.create_task(self._warm(document), name="warm a plan")
        document.warming.add_done_callback(lambda task: _warmed(document, task))

    async def _warm(self, document: Document) -> None:
        """Make the full plan for the latest caret and evaluate it, as often as requests interrupt that."""
        made_for: Caret | None = None
        while True:
            caret = document.latest
            if document.coming is None and fits(document.full, caret) and not document.is_warm(caret):
                document.coming = document.full
            if document.hurried or not fits(document.coming, caret):
                if caret is made_for or (fits(document.full, caret) and not document.hurried):
                    return
                made_for = caret
                await self._maker.full(document, caret, PATIENT_SECONDS)
                document.hurried = False
            await self._idle.wait()
            caret, coming = document.latest, document.coming
            if coming is None or not fits(coming, caret):
                continue
            if await self._evaluate(document, coming, caret):
                document.evaluated(coming, caret)
            else:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _evaluate(self, document: Document, planned: Planned, caret: Caret) -> bool:
        """Evaluate the plan's prompt; False where something more urgent interrupted it."""
        full, cells = document.full, self._maker.model.info.context_tokens
        if full and full is not planned and full.plan.tokens + planned.plan.tokens > cells:
            document.full = None  # the engine has room for one of them
        generation = document.evaluation = self._engine.generate(
            GenerateRequest(
                parts=planned.plan.render(caret),
                max_tokens=0,
                document=planned.document,
                priority=Priority.BACKGROUND,
            )
        )
        try:
            async for _ in generation:
                pass
        finally:
            document.evaluation = None
            generation.abort()
        return generation.stats.stop != "aborted"


def _attended(document: Document, task: asyncio.Task[None]) -> None:
    document.attending = None
    _told(task, "comparing a plan with the project")


def _warmed(document: Document, task: asyncio.Task[None]) -> None:
    document.warming = None
    _told(task, "warming a plan")


def _told(task: asyncio.Task[None], what: str) -> None:
    if not task.cancelled() and isinstance(error := task.exception(), Exception):
        # The next request meets the same trouble and reports it.
        log.info("%s ended early: %s", what, error)
