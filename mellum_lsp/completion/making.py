"""Makes plans: asks the project, keeps to the loaded model's budgets, counts tokens off the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from mellum_lsp.completion.planned import Document, Planned, fits
from mellum_lsp.completion.project import Project
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.tokens import TokenCounter
from mellum_lsp.domain import Caret, ScoredChunk
from mellum_lsp.engine.interface import Engine, EngineError, ModelInfo
from mellum_lsp.prompt.dialects import Dialect, Vocabulary, choose
from mellum_lsp.prompt.plan import Budget, Capacity, Plan, PlanSettings, full_budget, make_plan, micro_budget
from mellum_lsp.prompt.revision import carried_over
from mellum_lsp.retrieval.interface import ContextSource

_ANOTHER_SPEED = 1.5
"""A model that has become so many times faster or slower (other work has ended, say) gets other budgets."""

T = TypeVar("T")


@dataclass(slots=True)
class Model:
    """What a loaded model decides about plans."""

    info: ModelInfo
    dialect: Dialect
    full: Budget
    micro: Budget
    needs_micro: bool = field(init=False)

    def __post_init__(self) -> None:
        self.needs_micro = self.micro.total_tokens < self.full.total_tokens


class PlanMaker:
    """Lives on one event loop."""

    def __init__(self, engine: Engine, context: ContextSource, settings: CompletionSettings) -> None:
        self.settings = settings
        self.project = Project(context, self.in_thread)
        self._engine = engine
        self._count = TokenCounter(engine)
        self._model: Model | None = None
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="mellum-plan")

    @property
    def model(self) -> Model:
        """The loaded model; raises `EngineError` where none is."""
        info = self._engine.info
        if info is None:
            raise EngineError("the model is not loaded yet\nhint: start the engine before planning")
        if self._model is None or not _alike(self._model.info, info):
            self._model = self._judge(info)
        return self._model

    def update_settings(self, settings: CompletionSettings) -> None:
        """From the next plan on."""
        self.settings = settings
        self._model = None

    async def micro(self, document: Document, caret: Caret, seconds: float) -> Planned:
        """The micro plan for ``caret``, with context where the machine is fast enough for some."""
        if not fits(document.micro, caret):
            model = self.model
            found = await self.project.find(caret, seconds) if model.micro.context_tokens else None
            plan = self._made(caret, found, model.dialect, model.micro)
            document.micro = Planned(plan, f"{document.name}#micro", 0.0, is_micro=True)
        return document.micro

    async def full(
        self, document: Document, caret: Caret, seconds: float, found: Sequence[ScoredChunk] | None = None
    ) -> Planned:
        """Expect a full plan for ``caret`` in ``document``, of what the project offers within ``seconds``."""
        begun, generation, model = time.perf_counter(), self.project.generation, self.model
        if found is None:
            found = await self.project.find(caret, seconds)
        milliseconds = (time.perf_counter() - begun) * 1000
        document.hurried = found is None
        held = document.latest_full

        def make() -> Plan:
            plan = self._made(caret, found, model.dialect, model.full)
            if found is None or held is None:
                return plan
            return carried_over(plan, held.plan, found, self.project.is_gone, self.project.compressed)

        plan = await self.in_thread(make)
        document.compared(generation, caret)
        return document.expect(plan, milliseconds)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """The result of ``work``, which may count tokens and ask the project."""
        self._count.bind_to_running_loop()
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def close(self) -> None:
        self._count.close()
        self.project.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _made(
        self, caret: Caret, found: Sequence[ScoredChunk] | None, dialect: Dialect, budget: Budget
    ) -> Plan:
        return make_plan(caret, found or (), budget, dialect, self._count, self.project.compressed)

    def _judge(self, info: ModelInfo) -> Model:
        capacity = Capacity(
            info.context_tokens, info.prefill_tokens_per_second, info.decode_tokens_per_second
        )
        settings = PlanSettings(
            context_tokens=self.settings.context_tokens,
            latency_target_ms=self.settings.latency_target_ms,
            reply_tokens=self.settings.max_tokens,
        )
        return Model(
            info,
            choose(Vocabulary(info.markers, info.metadata)),
            full_budget(capacity, settings),
            micro_budget(capacity, settings),
        )


def _alike(judged: ModelInfo, now: ModelInfo) -> bool:
    """Whether budgets made for the one suit the other."""
    slower, faster = sorted((judged.prefill_tokens_per_second, now.prefill_tokens_per_second))
    return judged.path == now.path and faster <= _ANOTHER_SPEED * slower
