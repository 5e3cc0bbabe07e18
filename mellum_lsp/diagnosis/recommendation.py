"""Which model to take on this machine, and why. Pure.

The largest model that answers in time: within one family larger ones are better as a rule, and whether that
holds for somebody's code is for `mellum-lsp bench holes` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.diagnosis.candidates import Candidate
from mellum_lsp.models.resolve import EMBEDDED_MODEL

_SMALL_GAIN = 1.3
"""A model that has so much more weights is worth a download."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """``commands`` bring the model here and have it served."""

    model: str
    reasons: tuple[str, ...]
    commands: tuple[str, ...]


def recommend(candidates: Sequence[Candidate], target_ms: float) -> Recommendation | None:
    """None where no model's speed is known."""
    known = [one for one in candidates if one.verdict(target_ms) is not None]
    if not known:
        return None
    in_time = [one for one in known if one.verdict(target_ms) == "yes"]
    if not in_time:
        fastest = min(known, key=lambda one: one.line_ms or float("inf"))
        return Recommendation(
            fastest.name,
            (
                f"no model that is known answers within {target_ms:.0f} ms here; {_speed(fastest)}",
                "a GPU, or a server of your team's (docs/team-server.md), would serve larger ones",
            ),
            _commands(fastest),
        )
    best = max(in_time, key=_worth)
    reasons = [f"{_speed(best)}, and you want it within {target_ms:.0f} ms"]
    if best.memory_gb is not None:
        reasons.append(f"it needs {best.memory_gb:.1f} GB of memory, which this machine has")
    if slower := _next_larger(known, best, target_ms):
        reasons.append(f"the next larger one is too slow here: {_speed(slower)}")
    if any(one.verdict(target_ms) == "close" and _weights(one) > _weights(best) for one in known):
        close = min((one for one in known if one.verdict(target_ms) == "close"), key=_weights)
        reasons.append(f"{_speed(close)}: that might just do, measure it when it is here")
    reasons.append("larger models are better as a rule; `mellum-lsp bench holes .` tells for your own code")
    return Recommendation(best.name, tuple(reasons), _commands(best))


def _worth(one: Candidate) -> tuple[float, bool, bool, bool]:
    """By size; of equal ones the free, the preferred, and what needs no further step."""
    return (_weights(one), not one.limits, one.preferred, not one.quantise)


def _weights(one: Candidate) -> float:
    return one.parameters_billion or 0.0


def _next_larger(known: Sequence[Candidate], best: Candidate, target_ms: float) -> Candidate | None:
    larger = [
        one
        for one in known
        if one.verdict(target_ms) == "no" and one.fits and _weights(one) > _SMALL_GAIN * _weights(best)
    ]
    return min(larger, key=lambda one: (_weights(one), one.line_ms or 0.0), default=None)


def _speed(one: Candidate) -> str:
    assert one.speed and one.line_ms is not None
    how = {"measured": "takes", "predicted": "is predicted to take"}[one.source or "predicted"]
    named = f"{one.name} as {one.quantisation}" if one.quantise else one.name
    return (
        f"{named} {how} {one.line_ms:,.0f} ms for a line while typing "
        f"({one.speed.prefill:,.0f} tokens of a prompt and {one.speed.decode:,.1f} of an answer a second)"
    )


def _commands(one: Candidate) -> tuple[str, ...]:
    if one.name == EMBEDDED_MODEL:
        return ()  # it serves where nothing else is chosen
    commands = []
    served = one.name
    if one.path is None:
        commands.append(f"mellum-lsp models pull {one.name}")
    if one.quantise:
        commands.append(f"mellum-lsp models quantize {one.name} {one.quantisation}")
        served = f"{one.name}-{one.quantisation.lower()}"
    return (*commands, f"export MELLUM_LSP_MODEL={served}    # or the setting `model`")
