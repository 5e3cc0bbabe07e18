"""All generations that run: found by whoever could use one, ended where nobody wants them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mellum_lsp.completion.flight import Flight
from mellum_lsp.completion.judge import Judge, Verdict
from mellum_lsp.completion.plans import Planner
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret
from mellum_lsp.engine.interface import Engine

_LINGER_SECONDS = 0.005
"""After a withdrawal the next keystroke's request may already be on its way to join, unless it has come."""

_CLOSING_SECONDS = 2.0


class Flights:
    """``keep`` gets every flight, as soon as a request has its verdict and again at the flight's end."""

    def __init__(self, engine: Engine, planner: Planner, keep: Callable[[Flight], None]) -> None:
        self._engine = engine
        self._planner = planner
        self._keep = keep
        self._flights: list[Flight] = []

    @property
    def idle(self) -> bool:
        """Whether nobody waits for any."""
        return not any(flight.waiters for flight in self._flights)

    def leading_to(self, caret: Caret, min_joint_probability: float) -> tuple[Flight, str] | None:
        """A running flight that leads to ``caret``, and what was typed since it began."""
        for flight in self._flights:
            if flight.private or flight.min_joint_probability > min_joint_probability:
                continue
            typed = flight.typed_since(caret)
            if typed is not None and flight.may_continue(typed):
                return flight, typed
        return None

    def begin(
        self,
        caret: Caret,
        min_joint_probability: float,
        settings: CompletionSettings,
        *,
        patient: bool = False,
        prefetch: bool = False,
        private: bool = False,
        rank: int = 0,
    ) -> Flight:
        """A new generation; what nobody waits for gives way to it."""
        self._make_room()
        flight = Flight(
            caret,
            min_joint_probability,
            settings,
            self._landed,
            prefetch=prefetch,
            private=private,
            rank=rank,
        )
        self._flights.append(flight)
        flight.start(self._engine, self._planner, patient)
        return flight

    async def verdict(self, flight: Flight, judge: Judge, typed: str = "") -> Verdict | None:
        """What ``judge`` says of the flight's text; None where that turns away from ``typed``, or is cut off.

        Raises what the flight failed with. The flight ends when the last who waits for it has a verdict.
        """
        withdrawn = True
        flight.join()
        try:
            verdict = await _follow(flight, judge, typed)
            withdrawn = False
            return verdict
        finally:
            flight.leave()
            if withdrawn and flight in self._flights[-1:]:
                asyncio.get_running_loop().call_later(_LINGER_SECONDS, flight.stop_if_unwanted)
            else:
                self._keep(flight)
                flight.stop_if_unwanted()

    async def close(self) -> None:
        """End all, and wait until the engine has let go of them."""
        flights = list(self._flights)
        for flight in flights:
            flight.abort()
        if flights:
            landing = [asyncio.ensure_future(flight.landed()) for flight in flights]
            await asyncio.wait(landing, timeout=_CLOSING_SECONDS)

    def _make_room(self) -> None:
        for flight in self._flights:
            if not flight.private:
                flight.stop_if_unwanted()

    def _landed(self, flight: Flight) -> None:
        self._flights.remove(flight)
        self._keep(flight)


async def _follow(flight: Flight, judge: Judge, typed: str) -> Verdict | None:
    """Wait until the flight's text decides."""
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
