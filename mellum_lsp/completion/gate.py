"""Show only what the model was sure of: the longest run of tokens whose joint probability stays high enough.

The product of the probabilities is the model's own estimate that *every* character shown is right. Where the
run ends inside the draft, the draft is cut back to a place at which a reader would also stop (`boundaries`).
What is high enough depends on the form of what is left (`thresholds`).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from mellum_lsp.completion.boundaries import cut_back
from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.surroundings import look
from mellum_lsp.completion.thresholds import Form, Thresholds, form_of
from mellum_lsp.domain import Caret


@dataclass(frozen=True, slots=True)
class Gated:
    """``length`` characters may be shown; 0 where nothing may.

    ``probability`` is the joint probability of what is shown; where nothing is, that of the shortest run that
    could have been, which is under the ``threshold`` or ends inside a word. ``form`` is that of what is
    shown, or would have been without a gate.
    """

    length: int
    probability: float
    threshold: float
    form: Form


def gate(
    generated: Generated,
    length: int,
    caret: Caret,
    thresholds: Thresholds,
    typed: str = "",
    whole: bool = True,
) -> Gated:
    """How much of the first ``length`` characters to show, behind the ``typed`` ones of the same suggestion.

    ``whole``: the draft came to an end there. One that was broken off is cut back in any case.
    """
    around = look(caret)
    text = generated.text

    def gated(end: int) -> Gated:
        form = form_of(typed + text[:end], around)
        return Gated(end, joint(generated, end), thresholds.of(form), form)

    everything = gated(length)
    if whole and everything.probability >= everything.threshold:
        return everything
    lowest = thresholds.lowest(around)
    for threshold in sorted({everything.threshold, thresholds.line, thresholds.word, lowest}):
        sure = min(_sure(generated, threshold), length)
        first_line = text.find("\n", len(text) - len(text.lstrip("\n")), sure)
        for end in (sure, first_line):
            kept = gated(cut_back(text, end, around)) if end > 0 else None
            if kept and kept.length and kept.probability >= kept.threshold:
                return kept
    return Gated(0, _of_shortest_run(generated, length, lowest), lowest, everything.form)


def is_decided(generated: Generated, threshold: float) -> bool:
    """Whether the joint probability has fallen so low that further tokens cannot be shown."""
    return threshold > 0 and joint(generated, len(generated.text)) < threshold


def joint(generated: Generated, length: int) -> float:
    """The product of the probabilities of the tokens that hold the first ``length`` characters."""
    product = 1.0
    for probability in generated.probabilities[: bisect_left(generated.ends, length) + 1]:
        product *= probability
    return product


def _sure(generated: Generated, threshold: float) -> int:
    """Where the longest run of tokens ends whose joint probability keeps ``threshold``."""
    product, sure = 1.0, 0
    for end, probability in zip(generated.ends, generated.probabilities, strict=True):
        product *= probability
        if product < threshold:
            break
        sure = end
    return sure


def _of_shortest_run(generated: Generated, length: int, threshold: float) -> float:
    """The joint probability of the run that was not enough: up to the token that takes it under the bar."""
    product = 1.0
    for end, probability in zip(generated.ends, generated.probabilities, strict=True):
        product *= probability
        if product < threshold or end >= length:
            break
    return product
