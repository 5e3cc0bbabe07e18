"""Outcomes and explanations made of verdicts, of what was generated for them, and of silences."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace

from mellum_lsp.completion.cache import Entry
from mellum_lsp.completion.flight import Flight
from mellum_lsp.completion.judge import Verdict
from mellum_lsp.completion.outcome import GateReport, Item, Outcome, Source, Timings, TokenCounts
from mellum_lsp.completion.reasons import Reason


def item_of(verdict: Verdict) -> Item:
    """The verdict's text under a new id."""
    form = verdict.form.value
    return Item(secrets.token_hex(8), verdict.text, verdict.replace_after, verdict.probability, form)


def flown(flight: Flight, verdict: Verdict, source: Source, model: str, begun: float) -> Outcome:
    """The outcome of a flight that has just brought its verdict."""
    planned = flight.planned
    retrieval_ms = planned.retrieval_ms if planned and source != "stream" else 0.0
    return replace(
        _judged(verdict, source, model),
        timings=flight.timings(since(begun), retrieval_ms),
        tokens=flight.tokens(),
        chunks=planned.plan.chunks if planned else (),
    )


def recalled(entry: Entry, verdict: Verdict, model: str, begun: float) -> Outcome:
    """The outcome of an earlier generation."""
    return replace(
        _judged(verdict, "prefetch" if entry.prefetched else "cache", model),
        timings=Timings(total_ms=since(begun)),
        tokens=TokenCounts(prompt=entry.prompt_tokens, reused=entry.prompt_tokens),
        chunks=entry.chunks,
    )


def silent(reason: Reason, model: str, begun: float) -> Outcome:
    """The outcome of a request that came to nothing before the model was asked."""
    return Outcome((), str(reason), model, Timings(total_ms=since(begun)))


def cut_off(reason: Reason, threshold: float) -> Verdict:
    """For a generation that was ended from outside."""
    return Verdict("", 0, reason, GateReport(0.0, threshold), ())


def since(begun: float) -> float:
    """Milliseconds since ``begun`` (seconds of `time.perf_counter`)."""
    return (time.perf_counter() - begun) * 1000


def _judged(verdict: Verdict, source: Source, model: str) -> Outcome:
    if verdict.reason:
        return Outcome((), str(verdict.reason), model, source=source)
    return Outcome((item_of(verdict),), "", model, confidence=verdict.probability, source=source)
