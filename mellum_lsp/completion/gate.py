"""Show only what the model was sure of: the longest run of tokens whose joint probability stays high enough.

The product of the probabilities is the model's own estimate that *every* character shown is right. Where the
run ends inside the draft, the draft is cut back to a place at which a reader would also stop (`boundaries`).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from mellum_lsp.completion.boundaries import cut_back
from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret


@dataclass(frozen=True, slots=True)
class Gated:
    """``length`` characters may be shown; 0 where nothing may.

    ``probability`` is the joint probability of what is shown; where nothing is, that of the shortest run that
    could have been, which is under the threshold or ends inside a word.
    """

    length: int
    probability: float


def gate(generated: Generated, length: int, caret: Caret, threshold: float) -> Gated:
    """How much of the first ``length`` characters to show. A ``threshold`` of 0 shows everything."""
    tokens = bisect_left(generated.ends, length) + 1
    joint = 1.0
    sure = 0
    for end, probability in zip(generated.ends[:tokens], generated.probabilities[:tokens], strict=True):
        joint *= probability
        if joint < threshold:
            break
        sure = min(end, length)
    else:
        return Gated(length, joint)
    kept = cut_back(generated.text, sure, look(caret))
    return Gated(kept, _joint(generated, kept) if kept else joint)


def is_decided(generated: Generated, threshold: float) -> bool:
    """Whether the joint probability has fallen so low that further tokens cannot be shown."""
    return threshold > 0 and _joint(generated, len(generated.text)) < threshold


def _joint(generated: Generated, length: int) -> float:
    joint = 1.0
    for probability in generated.probabilities[: bisect_left(generated.ends, length) + 1]:
        joint *= probability
    return joint
