"""How long a prompt may be on this machine: measured speed and the latency target, turned into tokens.

There are two budgets. The *full* one is evaluated in the background, before it is needed, and may take
seconds. The *micro* one answers right after the caret jumped: its prompt is evaluated cold within the latency
target.
"""

from __future__ import annotations

from dataclasses import dataclass

WARMING_SECONDS = 2.5
"""How much computing a full prompt may cost, once each time its plan changes: about as long as somebody who
comes to a place looks around before typing there."""
FIRST_TOKENS, FIRST_SECONDS = 1024, 10.0
"""The first tokens bring most: without them there is no project context at all. On a slow or busy machine
they may cost more; a plan keeps them for as long as it stays in its file."""
SHORTEST_FULL_TOKENS = 256
"""Less would hardly be more than the micro prompt; a model that needs long for it is too slow anyway."""
LONGEST_FULL_TOKENS = 8192
LONGEST_PREFIX_TOKENS = 2048
LONGEST_SUFFIX_TOKENS = 512
SHORTEST_MICRO_TOKENS = 64
FEWEST_TOKENS = 24
"""Markers, a file name and a few tokens of code; below that there is no prompt."""

_REPLY_TOKENS_IN_TARGET = 10
_OVERHEAD_MS = 10.0
_LONGEST_TYPING_TOKENS = 192
_FEWEST_TOKENS_WITH_CONTEXT = 512
"""In a shorter prompt all room is better spent on the lines around the caret."""


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """``context_tokens`` is the longest prompt a user wants, None to derive it from the measured speed.

    ``reply_tokens`` stay free in the model's context for the longest generation.
    """

    context_tokens: int | None = None
    latency_target_ms: float = 300.0
    reply_tokens: int = 192


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the loaded model can do on this machine: its context in tokens, its speeds as measured."""

    context_tokens: int
    prefill_tokens_per_second: float
    decode_tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits in tokens; all are upper limits and all are kept.

    ``typing_tokens`` of the total stay free when a plan is made, for what the user types before the next one.
    ``keystroke_tokens`` bound what every single keystroke evaluates again (the suffix, in dialects that hold
    it behind the prefix).
    """

    total_tokens: int
    prefix_tokens: int
    suffix_tokens: int
    context_tokens: int
    keystroke_tokens: int
    typing_tokens: int

    def __post_init__(self) -> None:
        if self.total_tokens < FEWEST_TOKENS:
            raise ValueError(f"a prompt needs at least {FEWEST_TOKENS} tokens, not {self.total_tokens}")


def full_budget(capacity: Capacity, settings: PlanSettings | None = None) -> Budget:
    """The budget of the prompt that is warmed in the background.

    It has the whole context to itself: the engine keeps every sequence in a cache of its own.
    """
    settings = settings or PlanSettings()
    most = capacity.context_tokens - settings.reply_tokens
    wanted = settings.context_tokens
    if wanted is None:
        speed = capacity.prefill_tokens_per_second
        warmed = max(int(speed * WARMING_SECONDS), min(FIRST_TOKENS, int(speed * FIRST_SECONDS)))
        wanted = min(max(warmed, SHORTEST_FULL_TOKENS), LONGEST_FULL_TOKENS)
    return _budget(max(FEWEST_TOKENS, min(wanted, most)), _tokens_within_target(capacity, settings))


def micro_budget(capacity: Capacity, settings: PlanSettings | None = None) -> Budget:
    """The budget of the prompt that can be evaluated cold, and a short reply decoded, within the target.

    On a slow machine it holds some lines around the caret and no project context; never more than the full.
    """
    settings = settings or PlanSettings()
    within_target = _tokens_within_target(capacity, settings)
    return _budget(min(full_budget(capacity, settings).total_tokens, within_target), within_target)


def _budget(total: int, keystroke: int) -> Budget:
    """How ``total`` tokens are shared out. With project context, that gets what is left, nearly a half."""
    with_context = total >= _FEWEST_TOKENS_WITH_CONTEXT
    return Budget(
        total_tokens=total,
        prefix_tokens=min(LONGEST_PREFIX_TOKENS, total * 2 // 5 if with_context else total * 2 // 3),
        suffix_tokens=min(LONGEST_SUFFIX_TOKENS, total // 8 if with_context else total // 5),
        context_tokens=total if with_context else 0,
        keystroke_tokens=keystroke,
        typing_tokens=min(_LONGEST_TYPING_TOKENS, total // 8),
    )


def _tokens_within_target(capacity: Capacity, settings: PlanSettings) -> int:
    """Tokens that can be evaluated so that the beginning of the reply still meets the target."""
    decoding_ms = 1000.0 * _REPLY_TOKENS_IN_TARGET / max(capacity.decode_tokens_per_second, 1.0)
    left_ms = settings.latency_target_ms - _OVERHEAD_MS - decoding_ms
    return max(SHORTEST_MICRO_TOKENS, int(capacity.prefill_tokens_per_second * left_ms / 1000.0))
