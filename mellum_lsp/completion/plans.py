"""The frozen plans of every document: a small one that answers at once, a full one that is warmed beside it.

A full prompt, evaluated cold, takes seconds on a small machine. So a request whose full plan is not warm gets
the micro plan, a few lines around the caret, while the full one is made and evaluated in the background; from
then on a keystroke pays only for itself. Where the machine is fast enough there is only the full plan.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeGuard, TypeVar

from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.tokens import TokenCounter
from mellum_lsp.domain import Caret, ScoredChunk
from mellum_lsp.engine.interface import Engine, EngineError, GenerateRequest, ModelInfo, Priority
from mellum_lsp.prompt.dialects import Dialect, Vocabulary, choose
from mellum_lsp.prompt.plan import Budget, Capacity, Plan, PlanSettings, full_budget, make_plan, micro_budget
from mellum_lsp.retrieval.interface import ContextSource

log = logging.getLogger(__name__)

_REMEMBERED_DOCUMENTS = 64
_PATIENT_RETRIEVAL_SECONDS = 10.0
_PAUSE_SECONDS = 0.02
"""Between two attempts to evaluate a plan, so that a busy engine is not asked in a loop."""
T = TypeVar("T")


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
class _Document:
    """``full`` has been evaluated; ``coming`` is to replace it once that is evaluated too.

    ``latest`` is the caret that was planned for last; ``warming`` the job that evaluates what is coming;
    ``hurried`` says that the project context was too late for the plan.
    """

    latest: Caret
    micro: Planned | None = None
    full: Planned | None = None
    coming: Planned | None = None
    warming: asyncio.Task[None] | None = None
    hurried: bool = False
    made: int = 0


@dataclass(slots=True)
class _Model:
    """What a loaded model decides about plans."""

    info: ModelInfo
    dialect: Dialect
    full: Budget
    micro: Budget
    needs_micro: bool = field(init=False)

    def __post_init__(self) -> None:
        self.needs_micro = self.micro.total_tokens < self.full.total_tokens


class Planner:
    """Plans for requests, and warms what they will need. Lives on one event loop."""

    def __init__(self, engine: Engine, context: ContextSource, settings: CompletionSettings) -> None:
        self._engine = engine
        self._context = context
        self._settings = settings
        self._count = TokenCounter(engine)
        self._model: _Model | None = None
        self._documents: OrderedDict[str, _Document] = OrderedDict()
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="mellum-plan")
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy = 0

    async def plan(self, caret: Caret, patient: bool) -> Planned:
        """The plan for a request; ``patient`` ones get the full plan, however long it takes.

        The engine must have been started.
        """
        model = self._current_model()
        document = self._document(caret)
        if _fits(document.full, caret):
            return replace(document.full, retrieval_ms=0.0)
        if patient or not model.needs_micro:
            if not _fits(document.coming, caret):
                await self._make_full(document, caret, model, patient)
                if document.hurried:
                    self._warm_in_background(document, model)
            assert document.coming
            return document.coming
        if not _fits(document.micro, caret):
            plan = make_plan(caret, (), model.micro, model.dialect, self._count)
            document.micro = Planned(plan, f"{_name(caret)}#micro", 0.0, is_micro=True)
        self._warm_in_background(document, model)
        return document.micro

    def knows_more(self, caret: Caret) -> bool:
        """Whether a request at ``caret`` would now get a full plan that shows more than the micro plan."""
        document = self._documents.get(_name(caret))
        if document is None or not _fits(document.full, caret):
            return False
        micro = document.micro
        return not _fits(micro, caret) or micro.plan.render(caret) != document.full.plan.render(caret)

    def evaluated(self, caret: Caret, planned: Planned) -> None:
        """Tell that the plan's prompt has just been evaluated by a request."""
        document = self._documents.get(_name(caret))
        if document and document.coming and document.coming.plan is planned.plan:
            document.full, document.coming = document.coming, None

    async def warm(self, caret: Caret) -> None:
        """Look at the project again and evaluate the full plan; returns when that is done or given up."""
        model = self._current_model()
        document = self._document(caret)
        full = document.full
        if _fits(full, caret):
            chunks = await self._retrieve(caret, _PATIENT_RETRIEVAL_SECONDS) or ()
            revised = await self._in_thread(lambda: full.plan.revised(caret, chunks))
            if document.full is full and revised is not full.plan:
                document.coming = self._planned(document, revised, 0.0)
        self._warm_in_background(document, model)
        warming = document.warming
        if warming:
            await asyncio.wait([warming])
            if not warming.cancelled() and (error := warming.exception()):
                raise error

    def update_settings(self, settings: CompletionSettings) -> None:
        """Plans made by other settings are dropped."""
        if (settings.context_tokens, settings.latency_target_ms) != (
            self._settings.context_tokens,
            self._settings.latency_target_ms,
        ):
            self._forget_all()
        self._settings = settings

    def begin_interactive(self) -> None:
        """A request has the engine; background work waits until the last `end_interactive`."""
        self._busy += 1
        self._idle.clear()

    def end_interactive(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()

    async def close(self) -> None:
        self._count.close()
        warming = [document.warming for document in self._documents.values() if document.warming]
        self._forget_all()
        await asyncio.gather(*warming, return_exceptions=True)
        self._executor.shutdown(wait=False, cancel_futures=True)

    # ---- full plans

    async def _make_full(self, document: _Document, caret: Caret, model: _Model, patient: bool) -> None:
        """Put a full plan for ``caret`` to ``document.coming``."""
        begun = time.perf_counter()
        deadline = _PATIENT_RETRIEVAL_SECONDS if patient else self._settings.retrieval_deadline_ms / 1000
        chunks = await self._retrieve(caret, deadline)
        milliseconds = (time.perf_counter() - begun) * 1000
        plan = await self._in_thread(
            lambda: make_plan(caret, chunks or (), model.full, model.dialect, self._count)
        )
        document.coming = self._planned(document, plan, milliseconds)
        document.hurried = chunks is None and not patient

    def _planned(self, document: _Document, plan: Plan, milliseconds: float) -> Planned:
        """Two sequences take turns, so that the old prompt stays evaluated while the new one is."""
        document.made += 1
        return Planned(plan, f"{_name(document.latest)}#{document.made % 2}", milliseconds)

    def _warm_in_background(self, document: _Document, model: _Model) -> None:
        if document.warming or (document.coming is None and _fits(document.full, document.latest)):
            return
        document.warming = asyncio.create_task(self._warm(document, model), name="warm a plan")
        document.warming.add_done_callback(lambda task: _warmed(document, task))

    async def _warm(self, document: _Document, model: _Model) -> None:
        """Make the full plan for the latest caret and evaluate it, as often as requests interrupt that."""
        made_for: Caret | None = None
        while True:
            caret = document.latest
            if document.hurried or not _fits(document.coming, caret):
                if caret is made_for or (_fits(document.full, caret) and not document.hurried):
                    return
                made_for = caret
                await self._make_full(document, caret, model, patient=True)
            await self._idle.wait()
            caret, coming = document.latest, document.coming
            if coming is None or not _fits(coming, caret):
                continue
            if await self._evaluate(coming, caret):
                self.evaluated(caret, coming)
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _evaluate(self, planned: Planned, caret: Caret) -> bool:
        """Evaluate the plan's prompt in the background; False where something more urgent interrupted it."""
        generation = self._engine.generate(
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
            generation.abort()
        return generation.stats.stop != "aborted"

    async def _retrieve(self, caret: Caret, seconds: float) -> Sequence[ScoredChunk] | None:
        """Chunks for the caret, None where the deadline passes first."""
        try:
            return await asyncio.wait_for(self._in_thread(lambda: self._context.query(caret)), seconds)
        except TimeoutError:
            log.info("project context took longer than %.0f ms, going on without", seconds * 1000)
            return None
        except Exception:
            log.exception("project context failed, going on without")
            return ()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self._count.bind_to_running_loop()
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    # ---- state

    def _current_model(self) -> _Model:
        info = self._engine.info
        if info is None:
            raise EngineError("the model is not loaded yet\nhint: start the engine before planning")
        if self._model is None or self._model.info.path != info.path:
            capacity = Capacity(
                info.context_tokens, info.prefill_tokens_per_second, info.decode_tokens_per_second
            )
            settings = PlanSettings(
                context_tokens=self._settings.context_tokens,
                latency_target_ms=self._settings.latency_target_ms,
                reply_tokens=self._settings.max_tokens,
            )
            self._model = _Model(
                info,
                choose(Vocabulary(info.markers, info.metadata)),
                full_budget(capacity, settings),
                micro_budget(capacity, settings),
            )
        return self._model

    def _document(self, caret: Caret) -> _Document:
        name = _name(caret)
        document = self._documents.setdefault(name, _Document(caret))
        document.latest = caret
        self._documents.move_to_end(name)
        while len(self._documents) > _REMEMBERED_DOCUMENTS:
            _forget(self._documents.popitem(last=False)[1])
        return document

    def _forget_all(self) -> None:
        for document in self._documents.values():
            _forget(document)
        self._documents.clear()
        self._model = None


def _name(caret: Caret) -> str:
    return caret.document or caret.path


def _fits(planned: Planned | None, caret: Caret) -> TypeGuard[Planned]:
    return planned is not None and planned.plan.still_fits(caret)


def _forget(document: _Document) -> None:
    if document.warming:
        document.warming.cancel()


def _warmed(document: _Document, task: asyncio.Task[None]) -> None:
    document.warming = None
    if not task.cancelled() and isinstance(error := task.exception(), Exception):
        # The next request meets the same trouble and reports it.
        log.info("warming a plan ended early: %s", error)
