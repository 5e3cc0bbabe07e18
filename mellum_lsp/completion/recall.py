"""Answers from earlier generations: judged anew at every caret, as if the model had just said them there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mellum_lsp.completion.cache import Entry, GenerationCache
from mellum_lsp.completion.judge import Judge, Verdict, threshold_for
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret


@dataclass(frozen=True, slots=True)
class Recalled:
    """The verdict on what ``entry`` has left for a caret."""

    verdict: Verdict
    entry: Entry


def recall(
    cache: GenerationCache, caret: Caret, settings: CompletionSettings, knows_more: Callable[[], bool]
) -> Recalled | None:
    """The nearest earlier generation that answers for the model.

    One that shows nothing counts only at the very same place and for the same kind of plan: for a caret that
    has moved on, or where ``knows_more`` says that the model would be shown more, it may know better now.
    """
    threshold = threshold_for(caret, settings)
    for hit in cache.find(caret):
        entry, rest = hit.entry, hit.rest
        was_cut = entry.generated.stop == "probability" and entry.min_joint_probability > threshold
        if was_cut or (hit.typed and not rest.text.strip()):
            continue
        judge = Judge(caret, settings, hit.typed)
        if not judge.is_ready(rest, entry.end):
            continue
        verdict = judge.verdict(rest, entry.end)
        outdated = hit.typed or (entry.from_micro_plan and knows_more())
        if verdict.reason and outdated:
            continue
        return Recalled(verdict, entry)
    return None
