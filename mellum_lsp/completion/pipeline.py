"""From a caret to an outcome: cache, running generations, plan, engine, stop, gate and rules.

Everything here runs on one event loop and never blocks it. An outcome always comes: whatever fails becomes a
reason, and errors of the engine are told once to whoever asked for them.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

from mellum_lsp.completion import reasons
from mellum_lsp.completion.cache import GenerationCache
from mellum_lsp.completion.explain import explanation_of, silent_explanation
from mellum_lsp.completion.flight import Flight
from mellum_lsp.completion.judge import Judge, Verdict, threshold_for
from mellum_lsp.completion.outcome import Explanation, GateReport, Item, Outcome, Timings, TokenCounts
from mellum_lsp.completion.plans import Planner
from mellum_lsp.completion.rules import UnwantedPlace
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret, ScoredChunk, Trigger
from mellum_lsp.engine.interface import Engine, EngineError
from mellum_lsp.retrieval.interface import ContextSource

log = logging.getLogger(__name__)

_LINGER_SECONDS = 0.005
"""After a withdrawal the next keystroke's request may already be on its way to join, unless it has come."""

_CLOSING_SECONDS = 2.0

OnError = Callable[[EngineError], None]


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
        self._on_error = on_error
        self._reported = ""
        self._cache = GenerationCache()
        self._planner = Planner(engine, context, settings)
        self._flights: list[Flight] = []
        self._explaining: list[Flight] = []
        """Not to be joined: they take the time for the full plan."""
        self._starting: asyncio.Task[object] | None = None
        self._closed = False

    async def complete(self, caret: Caret) -> Outcome:
        """The best completion at ``caret``, or the reason why there is none.

        Cancelling the awaiting task withdraws the request; when nobody else wants its generation, the engine
        is freed a few milliseconds later.
        """
        begun = time.perf_counter()
        try:
            return await self._complete(caret, begun)
        except EngineError as error:
            return self._outcome(self._failed(error), begun)
        except Exception:
            log.exception("a completion failed; the next one starts afresh")
            return self._outcome(reasons.BUG, begun)

    async def explain(self, caret: Caret) -> Explanation:
        """How a completion at ``caret`` comes about: generated now, with the full plan, never cached."""
        begun = time.perf_counter()
        silence = self._refuse(caret) or await self._load(patient=True)
        threshold = threshold_for(caret, self._settings)
        if silence:
            return silent_explanation(silence, threshold, self._model, _since(begun))
        self._make_room()
        flight = Flight(caret, threshold, self._settings, self._explaining.remove)
        self._explaining.append(flight)
        flight.join()
        flight.start(self._engine, self._planner, patient=True)
        try:
            verdict = await _follow(flight, Judge(caret, self._settings), "")
        except EngineError as error:
            return silent_explanation(self._failed(error), threshold, self._model, _since(begun))
        finally:
            flight.leave(wants_more=False)
            flight.stop_if_unwanted()
        await flight.landed()  # only now the engine's own counts are complete
        return explanation_of(flight, verdict or self._cut_off(caret), self._model, _since(begun))

    async def warm(self, caret: Caret) -> None:
        """Load the model and evaluate the planned prompt in the background, any request first.

        Returns when that is done or given up; whoever does not want to wait makes a task of it.
        """
        if self._refuse(caret) or await self._load(patient=True):
            return
        try:
            await self._planner.warm(caret)
        except EngineError as error:
            self._failed(error)

    def update_settings(self, settings: CompletionSettings) -> None:
        """From the next request on."""
        self._settings = settings
        self._planner.update_settings(settings)

    async def close(self) -> None:
        """End all work. The engine stays open, it belongs to whoever made it."""
        self._closed = True
        flights = [*self._flights, *self._explaining]
        for flight in flights:
            flight.abort()
        if self._starting:
            self._starting.cancel()
        await self._planner.close()
        landing = [asyncio.ensure_future(flight.landed()) for flight in flights]
        if landing:
            await asyncio.wait(landing, timeout=_CLOSING_SECONDS)
        self._cache.clear()

    # ---- the way of a request

    async def _complete(self, caret: Caret, begun: float) -> Outcome:
        silence = self._refuse(caret) or _refuse_place(caret, self._settings)
        if silence is None:
            known = self._known(caret, begun)
            if known:
                return known
            silence = await self._load(caret.trigger is Trigger.INVOKED)
        return self._outcome(silence, begun) if silence else await self._generate(caret, begun)

    def _refuse(self, caret: Caret) -> reasons.Reason | None:
        if self._closed:
            return reasons.SHUTTING_DOWN
        if not self._settings.enabled:
            return reasons.DISABLED
        if not self._settings.serves(caret.language):
            return reasons.disabled_language(caret.language)
        return None

    def _known(self, caret: Caret, begun: float) -> Outcome | None:
        """An answer from an earlier generation.

        One that shows nothing counts only at the very same place and for the same kind of plan: for a caret
        that has moved on, or with the whole project before it, the model may know better now.
        """
        threshold = threshold_for(caret, self._settings)
        for hit in self._cache.find(caret):
            entry, rest = hit.entry, hit.rest
            was_cut = entry.generated.stop == "probability" and entry.min_joint_probability > threshold
            if was_cut or (hit.typed and not rest.text.strip()):
                continue
            judge = Judge(caret, self._settings, hit.typed)
            if not judge.is_ready(rest, entry.end):
                continue
            verdict = judge.verdict(rest, entry.end)
            outdated = hit.typed or (entry.from_micro_plan and self._planner.knows_more(caret))
            if verdict.reason and outdated:
                continue
            tokens = TokenCounts(prompt=entry.prompt_tokens, reused=entry.prompt_tokens)
            timings = Timings(total_ms=_since(begun))
            return self._judged(verdict, timings, tokens, entry.chunks, cached=True)
        return None

    async def _load(self, patient: bool) -> reasons.Reason | None:
        """Start the engine where it is not loaded; an impatient request waits only a little."""
        if self._engine.info is not None:
            return None
        if self._starting is None:
            self._starting = asyncio.create_task(self._engine.start(), name="start the engine")
            self._starting.add_done_callback(self._started)
        starting = self._starting
        patience = None if patient else self._settings.loading_patience_ms / 1000
        await asyncio.wait([starting], timeout=patience)
        if not starting.done():
            return reasons.MODEL_LOADING
        if starting.cancelled():
            return reasons.SHUTTING_DOWN
        error = starting.exception()
        if isinstance(error, EngineError):
            return self._failed(error)
        if error:
            raise error
        return None

    def _started(self, task: asyncio.Task[object]) -> None:
        self._starting = None
        if not task.cancelled() and isinstance(error := task.exception(), EngineError):
            self._failed(error)  # also where nobody waited so long

    async def _generate(self, caret: Caret, begun: float) -> Outcome:
        flight, typed = self._flight_to(caret)
        verdict = await self._wait_for(flight, caret, typed)
        if typed and (verdict is None or verdict.reason):
            # The model thought otherwise, or has nothing to show from here: ask it anew, where the caret is.
            flight, typed = self._take_off(caret), ""
            verdict = await self._wait_for(flight, caret, typed)
        if verdict is None:
            verdict = self._cut_off(caret)
        elif caret.trigger is Trigger.INVOKED:
            await flight.landed()  # only then the engine's own counts are complete
        planned = flight.planned
        timings = flight.timings(_since(begun), planned.retrieval_ms if planned and not typed else 0.0)
        self._reported = ""
        return self._judged(verdict, timings, flight.tokens(), planned.plan.chunks if planned else ())

    def _flight_to(self, caret: Caret) -> tuple[Flight, str]:
        """A running flight that leads to ``caret``, or a new one; and what was typed since it began."""
        threshold = threshold_for(caret, self._settings)
        for flight in self._flights:
            typed = flight.typed_since(caret)
            if typed is not None and flight.min_joint_probability <= threshold and flight.may_continue(typed):
                return flight, typed
        return self._take_off(caret), ""

    def _take_off(self, caret: Caret) -> Flight:
        self._make_room()
        flight = Flight(caret, threshold_for(caret, self._settings), self._settings, self._landed)
        self._flights.append(flight)
        flight.start(self._engine, self._planner, patient=caret.trigger is Trigger.INVOKED)
        return flight

    def _make_room(self) -> None:
        """What only goes on for the cache gives way to a new generation."""
        for flight in self._flights:
            flight.stop_if_unwanted()

    def _landed(self, flight: Flight) -> None:
        self._flights.remove(flight)
        entry = flight.entry()
        if entry:
            self._cache.put(flight.anchor, entry)

    async def _wait_for(self, flight: Flight, caret: Caret, typed: str) -> Verdict | None:
        """The verdict on what the flight brings; None where it no longer leads to the caret."""
        verdict = None
        withdrawn = True
        flight.join()
        try:
            verdict = await _follow(flight, Judge(caret, self._settings, typed), typed)
            withdrawn = False
            return verdict
        finally:
            wants_more = bool(verdict and not verdict.reason and caret.trigger is Trigger.AUTOMATIC)
            flight.leave(wants_more)
            if withdrawn and flight in self._flights[-1:]:
                asyncio.get_running_loop().call_later(_LINGER_SECONDS, flight.stop_if_unwanted)
            elif not wants_more:
                flight.stop_if_unwanted()

    # ---- the answer

    @property
    def _model(self) -> str:
        return self._engine.info.name if self._engine.info else ""

    def _judged(
        self,
        verdict: Verdict,
        timings: Timings,
        tokens: TokenCounts,
        chunks: tuple[ScoredChunk, ...],
        cached: bool = False,
    ) -> Outcome:
        item = Item(secrets.token_hex(8), verdict.text, verdict.replace_after)
        return Outcome(
            items=() if verdict.reason else (item,),
            reason=str(verdict.reason) if verdict.reason else "",
            model=self._model,
            timings=timings,
            tokens=tokens,
            confidence=verdict.probability,
            chunks=chunks,
            cached=cached,
        )

    def _cut_off(self, caret: Caret) -> Verdict:
        """For a generation that was ended from outside: something newer came, or the server ends."""
        reason = reasons.SHUTTING_DOWN if self._closed else reasons.SUPERSEDED
        return Verdict("", 0, reason, GateReport(0.0, threshold_for(caret, self._settings)), ())

    def _outcome(self, reason: reasons.Reason, begun: float) -> Outcome:
        return Outcome((), str(reason), self._model, Timings(total_ms=_since(begun)))

    def _failed(self, error: EngineError) -> reasons.Reason:
        """The reason for an outcome; the error itself is told once."""
        message = str(error)
        if message != self._reported:
            self._reported = message
            log.warning("the engine failed: %s", message)
            if self._on_error:
                self._on_error(error)
        return reasons.engine_failed(message)


async def _follow(flight: Flight, judge: Judge, typed: str) -> Verdict | None:
    """Wait until the flight's text decides; None where it turns away from what was typed, or was cut off."""
    while flight.may_continue(typed):
        if flight.error:
            raise flight.error
        generated, end = flight.generated, flight.end
        if generated.text.startswith(typed):
            rest = generated.after(len(typed))
            # A ghost into which somebody types keeps its end: wait until the flight has found it.
            knows_end = not typed or end is not None or flight.done
            if knows_end and judge.is_ready(rest, end):
                return judge.verdict(rest, end)
        if flight.done:
            return None
        await flight.changed()
    return None


def _refuse_place(caret: Caret, settings: CompletionSettings) -> reasons.Reason | None:
    """What a rule would reject whatever the model says, before the model is asked."""
    if caret.trigger is Trigger.INVOKED:
        return None
    return UnwantedPlace(settings.mid_word, settings.suppress_in).refuse(caret)


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000
