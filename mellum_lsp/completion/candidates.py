"""What else the model might say, for users who ask explicitly: another first token, and what follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from mellum_lsp.completion.cache import GenerationCache
from mellum_lsp.completion.flights import Flights
from mellum_lsp.completion.judge import Judge, Verdict
from mellum_lsp.completion.outcome import Item
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret, Trigger

MOST_ITEMS = 3


async def other_candidates(
    flights: Flights, cache: GenerationCache, caret: Caret, settings: CompletionSettings
) -> list[Verdict]:
    """Verdicts on up to two candidates besides the most likely one, most probable first.

    The prompt has just been evaluated, so they cost their own tokens only; those that take longer than
    ``settings.candidates_deadline_ms`` are left out, also where the engine fails: they are an extra.
    """
    verdicts = {}
    for entry in cache.candidates(caret):
        judge = _judge(caret, settings)
        if judge.is_ready(entry.generated, entry.end):
            verdicts[entry.rank] = judge.verdict(entry.generated, entry.end)
    missing = [rank for rank in range(1, MOST_ITEMS) if rank not in verdicts]
    found = [*verdicts.values(), *(await _generated(flights, caret, settings, missing) if missing else ())]
    return sorted((verdict for verdict in found if not verdict.reason), key=lambda v: -v.probability)


def distinct(items: Iterable[Item]) -> tuple[Item, ...]:
    """The first of each text, spaces not counted, and no more than `MOST_ITEMS`."""
    by_text: dict[str, Item] = {}
    for item in items:
        by_text.setdefault("".join(item.text.split()), item)
    return tuple(by_text.values())[:MOST_ITEMS]


def _judge(caret: Caret, settings: CompletionSettings) -> Judge:
    """The best is shown whatever it is; the others must be worth showing unasked, though not as sure.

    Else there would be three items where a lone quote or half a bracket is the model's second thought.
    """
    anywhere = replace(settings, gate=0.0, thresholds=None, mid_word=True, suppress_in=())
    return Judge(replace(caret, trigger=Trigger.AUTOMATIC), anywhere)


async def _generated(
    flights: Flights, caret: Caret, settings: CompletionSettings, ranks: Iterable[int]
) -> list[Verdict]:
    asked = [flights.begin(caret, 0.0, settings, patient=True, private=True, rank=rank) for rank in ranks]
    waiting = [asyncio.ensure_future(flights.verdict(flight, _judge(caret, settings))) for flight in asked]
    try:
        await asyncio.wait(waiting, timeout=settings.candidates_deadline_ms / 1000)
    finally:
        for task in waiting:
            task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    return [result for result in results if isinstance(result, Verdict)]
