"""Puts together what `mellum/explain` tells of a completion."""

from __future__ import annotations

from mellum_lsp.completion.flight import Flight
from mellum_lsp.completion.judge import Verdict
from mellum_lsp.completion.outcome import ExplainedPart, Explanation, GateReport, Timings
from mellum_lsp.completion.reasons import Reason
from mellum_lsp.domain import prompt_text


def explanation_of(flight: Flight, verdict: Verdict, model: str, total_ms: float) -> Explanation:
    """The explanation of a flight that has ended; without a prompt where it never came to one."""
    planned = flight.planned
    prompt = flight.prompt
    tokens = flight.part_tokens() or (0,) * len(prompt)
    return Explanation(
        prompt=prompt_text(prompt),
        parts=tuple(
            ExplainedPart(part.kind, part.path, count) for part, count in zip(prompt, tokens, strict=False)
        ),
        tokens=flight.tokens(),
        chunks=planned.plan.chunks if planned else (),
        steps=verdict.steps,
        gate=verdict.gate,
        text=verdict.text,
        reason=str(verdict.reason) if verdict.reason else "",
        timings=flight.timings(total_ms, planned.retrieval_ms if planned else 0.0),
        model=model,
        source=flight.source,
    )


def silent_explanation(reason: Reason, threshold: float, model: str, total_ms: float) -> Explanation:
    """For a request that came to nothing before a prompt was evaluated."""
    return Explanation(
        gate=GateReport(0.0, threshold),
        reason=str(reason),
        timings=Timings(total_ms=total_ms),
        model=model,
    )
