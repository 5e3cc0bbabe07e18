"""From a caret to an outcome: cache, running generations, plan, engine, stop, gate and rules.

Everything here runs on one event loop and never blocks it. An outcome always comes: whatever fails becomes a
reason, and errors of the engine are told once to whoever asked for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from mellum_lsp.completion import reasons
from mellum_lsp.completion.answer import cut_off, flown, item_of, recalled, silent, since
from mellum_lsp.completion.cache import GenerationCache
from mellum_lsp.completion.candidates import distinct, other_candidates
from mellum_lsp.completion.explain import explanation_of, silent_explanation
from mellum_lsp.completion.flight import Flight
from mellum_lsp.completion.flights import Flights
from mellum_lsp.completion.ghosts import Ghosts
from mellum_lsp.completion.judge import Judge, Verdict, threshold_for
from mellum_lsp.completion.loading import Loading, OnError
from mellum_lsp.completion.outcome import Explanation, Outcome, Timings
from mellum_lsp.completion.plans import Planner
from mellum_lsp.completion.prefetch import Prefetch
from mellum_lsp.completion.recall import recall
from mellum_lsp.completion.refusal import refuse, refuse_place
from mellum_lsp.completion.rejections import Rejections
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret, Prompt, Trigger
from mellum_lsp.engine.interface import Engine, EngineError
from mellum_lsp.retrieval.interface import ContextSource

log = logging.getLogger(__name__)


class Completer:
    """Answers requests for completions; all methods belong to one event loop.

    ``on_error`` hears of every trouble of the engine once, until the engine has answered again.
    """

    def __init__(
        self,
        engine: Engine,
        context: ContextSource,
        settings: CompletionSettings,
        on_error: OnError | None = None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._cache = GenerationCache()
        self._planner = Planner(engine, context, settings)
        self._flights = Flights(engine, self._planner, self._keep)
        self._loading = Loading(engine, on_error)
        self._prefetch = Prefetch(self._begin_prefetch)
        self._ghosts = Ghosts()
        self._rejections = Rejections()
        self._closed = False

    async def complete(self, caret: Caret, settle_seconds: float = 0.0) -> Outcome:
        """The best completion at ``caret``, or the reason why there is none; more than one where invoked.

        Where nothing is known and nothing runs, the model is asked after ``settle_seconds``. Cancelling the
        awaiting task withdraws the request; when nobody else wants its generation, the engine is freed a few
        milliseconds later.
        """
        begun = time.perf_counter()
        try:
            outcome = await self._complete(caret, settle_seconds, begun)
        except EngineError as error:
            outcome = silent(self._loading.failed(error), self._model, begun)
        except Exception:
            log.exception("a completion failed; the next one starts afresh")
            outcome = silent(reasons.BUG, self._model, begun)
        self._note_shown(caret, outcome)
        return outcome

    async def explain(self, caret: Caret) -> Explanation:
        """How a completion at ``caret`` comes about: generated now, with the full plan, never cached."""
        begun, threshold = time.perf_counter(), threshold_for(caret, self._settings)
        silence = self._refuse(caret) or await self._loading.wait(None)
        if silence:
            return silent_explanation(silence, threshold, self._model, since(begun))
        flight = self._flights.begin(caret, threshold, self._settings, patient=True, private=True)
        try:
            verdict = await self._verdict(flight, caret) or self._cut_off(caret)
        except EngineError as error:
            return silent_explanation(self._loading.failed(error), threshold, self._model, since(begun))
        return explanation_of(flight, verdict, self._model, since(begun))

    async def warm(self, caret: Caret) -> None:
        """Load the model and evaluate the planned prompt in the background, any request first.

        Returns when that is done or given up; whoever does not want to wait makes a task of it.
        """
        if self._refuse(caret) or await self._loading.wait(None):
            return
        try:
            await self._planner.warm(caret)
        except EngineError as error:
            self._loading.failed(error)

    def prompt_at(self, caret: Caret) -> Prompt:
        """The prompt of the plan that holds at ``caret``, of which an answer there came; () without one."""
        planned = self._planner.current(caret)
        return planned.plan.render(caret) if planned else ()

    def dismissed(self, item_id: str) -> None:
        """The user does not want this item: it is not offered again at its place for a while."""
        self._rejections.dismiss(item_id)
        self._ghosts.clear()
        self._prefetch.stop()

    def update_settings(self, settings: CompletionSettings) -> None:
        """From the next request on."""
        self._settings = settings
        self._ghosts.clear()
        self._planner.update_settings(settings)

    async def close(self) -> None:
        """End all work. The engine stays open, it belongs to whoever made it."""
        self._closed = True
        self._prefetch.stop()
        self._loading.close()
        await asyncio.gather(self._planner.close(), self._flights.close())
        self._cache.clear()

    # ---- the way of a request

    async def _complete(self, caret: Caret, settle_seconds: float, begun: float) -> Outcome:
        silence = self._refuse(caret) or refuse_place(caret, self._settings)
        if silence:
            return silent(silence, self._model, begun)
        if rest := self._ghosts.rest_at(caret):
            return replace(rest, timings=Timings(total_ms=since(begun)))
        invoked = caret.trigger is Trigger.INVOKED
        outcome = self._recall(caret, begun)
        if outcome is None:
            silence = await self._loading.wait(None if invoked else self._settings.loading_patience_ms / 1000)
            if silence:
                return silent(silence, self._model, begun)
            outcome = await self._generate(caret, settle_seconds, begun)
        if invoked and (outcome.items or reasons.is_refusal(outcome.reason)):
            outcome = await self._with_candidates(caret, outcome, begun)
        self._ghosts.add(caret, outcome)
        return outcome

    def _refuse(self, caret: Caret) -> reasons.Reason | None:
        return reasons.SHUTTING_DOWN if self._closed else refuse(caret, self._settings)

    def _recall(self, caret: Caret, begun: float) -> Outcome | None:
        """An answer from an earlier generation."""
        known = recall(self._cache, caret, self._settings, lambda: self._planner.knows_more(caret))
        if known is None:
            return None
        verdict = self._rejections.filter(caret, known.verdict)
        return recalled(known.entry, verdict, self._model, begun)

    async def _generate(self, caret: Caret, settle_seconds: float, begun: float) -> Outcome:
        """An answer from a running generation that leads to the caret, else from a new one."""
        threshold = threshold_for(caret, self._settings)
        if settle_seconds and not self._flights.leading_to(caret, threshold):
            await asyncio.sleep(settle_seconds)
        if joined := self._flights.leading_to(caret, threshold):
            flight, typed = joined
            known = await self._verdict(flight, caret, typed)
            if known and not (typed and known.reason):
                return flown(flight, known, "stream", self._model, begun)
            # The model thought otherwise, was interrupted, or has nothing to show from here: ask it anew.
        patient = caret.trigger is Trigger.INVOKED
        flight = self._flights.begin(caret, threshold, self._settings, patient=patient)
        verdict = await self._verdict(flight, caret) or self._cut_off(caret)
        return flown(flight, verdict, flight.source, self._model, begun)

    async def _verdict(self, flight: Flight, caret: Caret, typed: str = "") -> Verdict | None:
        """What is to be shown at ``caret`` of the flight's text; None where it does not lead there."""
        verdict = await self._flights.verdict(flight, Judge(caret, self._settings, typed), typed)
        if verdict is None:
            return None
        self._loading.served()
        return self._rejections.filter(caret, verdict)

    def _cut_off(self, caret: Caret) -> Verdict:
        """For a generation that was ended from outside: something newer came, or the server ends."""
        reason = reasons.SHUTTING_DOWN if self._closed else reasons.SUPERSEDED
        return cut_off(reason, threshold_for(caret, self._settings))

    async def _with_candidates(self, caret: Caret, outcome: Outcome, begun: float) -> Outcome:
        """The outcome with other candidates behind its item, each of them different; they are the best there
        is where the model's first thought was refused."""
        others = await other_candidates(self._flights, self._cache, caret, self._settings)
        items = distinct([*outcome.items, *map(item_of, others)])
        if not items:
            return outcome
        timings = replace(outcome.timings, total_ms=since(begun))
        return replace(outcome, items=items, reason="", confidence=items[0].confidence, timings=timings)

    @property
    def _model(self) -> str:
        return self._engine.info.name if self._engine.info else ""

    # ---- what comes of an answer

    def _keep(self, flight: Flight) -> None:
        """What a flight has brought answers for the model from now on."""
        entry = flight.entry()
        if entry is None:
            return
        self._cache.put(flight.anchor, entry)
        if flight.prefetch and flight.done and (outcome := self._recall(flight.caret, time.perf_counter())):
            self._ghosts.add(flight.caret, outcome)  # judged before anybody waits for it

    def _note_shown(self, caret: Caret, outcome: Outcome) -> None:
        for item in outcome.items:
            self._rejections.offered(item.id, caret, item.text)
        likely = outcome.confidence >= threshold_for(
            replace(caret, trigger=Trigger.AUTOMATIC), self._settings
        )
        if outcome.items and likely and self._settings.prefetch:
            self._prefetch.shown(caret, outcome.items[0], self._settings.prefetch_delay_ms / 1000)
        else:
            self._prefetch.stop()

    def _begin_prefetch(self, target: Caret) -> Flight | None:
        """Generate at ``target`` in the background: only if nobody needs the engine, and it is not known."""
        settings = self._settings
        if not self._flights.idle or self._refuse(target) or refuse_place(target, settings):
            return None
        if self._planner.current(target) is None or self._recall(target, time.perf_counter()):
            return None
        return self._flights.begin(target, threshold_for(target, settings), settings, prefetch=True)
