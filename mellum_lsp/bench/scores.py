"""One answer against the text that stood in the hole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from rapidfuzz.distance import LCSseq, Levenshtein

from mellum_lsp.bench.holes import Place
from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.judge import Judge, Verdict
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger

FIGURES = ("exact", "first_line", "chrf", "similarity", "right_lines", "ended")
"""The fields of a `Score`, in the order in which tables show them."""

YES_OR_NO = ("exact", "first_line", "ended")
"""Those that are 0 or 1."""


@dataclass(frozen=True, slots=True)
class Score:
    """Everything from 0 to 1 but ``chrf``, which is from 0 to 100; blanks at the end never count.

    ``exact``: all of the text. ``first_line``: its first line that is not blank. ``chrf``: chrF++ (Popović
    2017) of this one text. ``similarity``: 1 minus the edit distance over the longer length.
    ``right_lines``: the share of the true lines that the answer has, in their order, blank ones aside.
    ``ended``: the answer came to an end by itself or by the stop policy, not for its length.
    """

    exact: float
    first_line: float
    chrf: float
    similarity: float
    right_lines: float
    ended: float


@dataclass(frozen=True, slots=True)
class Shown:
    """What a user would have seen. ``right``: every character of it stands at the caret in the true file.

    ``right_characters`` are those up to the first wrong one, ``wrong_characters`` the others.
    ``probability`` is the joint one of what is shown.
    """

    text: str
    right: bool
    right_characters: int
    wrong_characters: int
    probability: float


def score(said: str, truth: str, *, ended: bool) -> Score:
    """Scores ``said`` against ``truth``."""
    said, truth = said.rstrip(), truth.rstrip()
    return Score(
        exact=float(said == truth),
        first_line=float(_first_line(said) == _first_line(truth)),
        chrf=chrf(said, truth),
        similarity=Levenshtein.normalized_similarity(said, truth),
        right_lines=_right_lines(said, truth),
        ended=float(ended),
    )


def score_verdict(place: Place, verdict: Verdict, stop: str) -> Score:
    """Scores what the pipeline made of a generation that ended by ``stop``."""
    return score(verdict.text, truth_of(place, verdict), ended=stop != "length")


def shown(place: Place, verdict: Verdict) -> Shown | None:
    """What of a verdict a user would have seen; None where it is silent."""
    if verdict.reason:
        return None
    text, truth = verdict.text.rstrip(), truth_of(place, verdict)
    right = _common_beginning(text, truth)
    return Shown(text, right == len(text), right, len(text) - right, verdict.probability)


def judged(place: Place, generated: Generated, settings: CompletionSettings, trigger: Trigger) -> Verdict:
    """What the server makes of a whole generation: stop, gate and rules."""
    caret = place.caret_for(trigger)
    return Judge(caret, settings).verdict(generated)


def truth_of(place: Place, verdict: Verdict) -> str:
    """What ought to stand there: the hole's text, and the closers behind it that the answer says again."""
    return place.middle + place.caret.suffix[: verdict.replace_after]


def chrf(said: str, truth: str) -> float:
    """chrF++ of one text, from 0 to 100."""
    return float(_chrf().sentence_score(said, [truth]).score) if said else 0.0


@cache
def _chrf() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=2)


def _first_line(text: str) -> str:
    return text.lstrip("\n").split("\n", 1)[0].rstrip()


def _right_lines(said: str, truth: str) -> float:
    lines, true_lines = (
        [line.rstrip() for line in text.split("\n") if line.strip()] for text in (said, truth)
    )
    return LCSseq.similarity(lines, true_lines) / len(true_lines) if true_lines else float(not lines)


def _common_beginning(text: str, other: str) -> int:
    length = 0
    for one, two in zip(text, other, strict=False):
        if one != two:
            break
        length += 1
    return length
