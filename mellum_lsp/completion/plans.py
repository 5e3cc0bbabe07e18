"""The frozen plans of every document: a small one that answers at once, a full one that is warmed beside it.

A full prompt, evaluated cold, takes seconds on a small machine. So a request whose full plan is not warm gets
the micro plan, a few lines around the caret, while the full one is made and evaluated in the background; from
then on a keystroke pays only for itself. Where the machine is fast enough there is only the full plan.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mellum_lsp.completion.making import PlanMaker
from mellum_lsp.completion.planned import Document, Documents, Planned, fits
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.upkeep import PATIENT_SECONDS, Upkeep
from mellum_lsp.domain import Caret
from mellum_lsp.engine.interface import Engine
from mellum_lsp.retrieval.interface import ContextSource

REST_SECONDS = 0.1
"""Between two keys of somebody who types on, background work would evaluate a batch or two, lose what it has
begun and make the next request wait for its end; longer pauses are frequent enough."""
LONGEST_UNREST_SECONDS = 0.5
"""Who types on for longer has background work done between two keys after all."""


class Planner:
    """Plans for requests, and has warmed what they will need. Lives on one event loop."""

    def __init__(self, engine: Engine, context: ContextSource, settings: CompletionSettings) -> None:
        self._settings = settings
        self._documents = Documents()
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy = 0
        self._busy_since = 0.0
        self._rest: asyncio.TimerHandle | None = None
        self._maker = PlanMaker(engine, context, settings)
        self._upkeep = Upkeep(engine, self._maker, self._idle)

    async def plan(self, caret: Caret, patient: bool) -> Planned:
        """The plan for a request; ``patient`` ones get the full plan as of now, however long it takes.

        Raises `EngineError` where the engine has not been started.
        """
        needs_micro = self._maker.model.needs_micro
        attended = self._documents.active
        document = self._note(caret)
        seconds = PATIENT_SECONDS if patient else self._settings.retrieval_deadline_ms / 1000
        if patient or document is not attended:  # the active document is kept up to date anyway
            await self._upkeep.compare(document, seconds)
        planned = document.newest if patient or not needs_micro else document.full
        if fits(planned, caret) and (patient or not needs_micro or document.is_warm(caret)):
            planned = replace(planned, retrieval_ms=0.0)
        elif patient or not needs_micro:
            planned = await self._maker.full(document, caret, seconds)
        else:
            planned = await self._maker.micro(document, caret, seconds)
        if planned.is_micro or document.hurried:
            self._upkeep.warm(document)
        self._upkeep.attend(document)
        return planned

    def current(self, caret: Caret) -> Planned | None:
        """The plan that also holds for ``caret``, as it is: nothing is planned for it."""
        document = self._documents.get(caret)
        if document is None:
            return None
        if document.is_warm(caret):
            return document.full
        return document.micro if fits(document.micro, caret) else None

    def knows_more(self, caret: Caret) -> bool:
        """Whether a request at ``caret`` would now get a full plan that shows more than the micro plan."""
        document = self._documents.get(caret)
        if document is None or document.full is None or not document.is_warm(caret):
            return False
        micro = document.micro
        return not fits(micro, caret) or micro.plan.render(caret) != document.full.plan.render(caret)

    def evaluated(self, caret: Caret, planned: Planned) -> None:
        """Tell that the plan's prompt has just been evaluated by a request."""
        document = self._documents.get(caret)
        if document:
            document.evaluated(planned, caret)

    async def warm(self, caret: Caret) -> None:
        """Look at the project again and evaluate the full plan; returns when that is done or given up.

        Raises `EngineError` where the engine has not been started, or fails.
        """
        document = self._note(caret)
        await self._upkeep.compare(document, PATIENT_SECONDS)
        self._upkeep.warm(document)
        warming = document.warming
        if warming:
            await asyncio.wait([warming])
            if not warming.cancelled() and (error := warming.exception()):
                raise error

    def begin_interactive(self) -> None:
        """A request has the engine; background work waits until `REST_SECONDS` after the last one's end."""
        self._busy += 1
        if self._idle.is_set():
            self._idle.clear()
            self._busy_since = asyncio.get_running_loop().time()
        if self._rest:
            self._rest.cancel()

    def end_interactive(self) -> None:
        self._busy -= 1
        if not self._busy:
            loop = asyncio.get_running_loop()
            overdue = loop.time() - self._busy_since > LONGEST_UNREST_SECONDS
            self._rest = loop.call_later(0 if overdue else REST_SECONDS, self._idle.set)

    def update_settings(self, settings: CompletionSettings) -> None:
        """Plans made by other settings are dropped."""
        before, self._settings = self._settings, settings
        if (settings.context_tokens, settings.latency_target_ms) != (
            before.context_tokens,
            before.latency_target_ms,
        ):
            self._documents.clear()
            self._maker.update_settings(settings)

    async def close(self) -> None:
        await asyncio.gather(*self._documents.clear(), return_exceptions=True)
        self._maker.close()

    def _note(self, caret: Caret) -> Document:
        """The caret's document; from its first on, changes of the project are heard."""
        self._maker.project.listen(self._project_changed)
        return self._documents.note(caret)

    def _project_changed(self) -> None:
        if self._documents.active:
            self._upkeep.attend(self._documents.active)
