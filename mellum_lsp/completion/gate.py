"""Show only what the model was sure of: the longest run of tokens whose joint probability stays high enough.

The product of the probabilities is the model's own estimate that *every* character shown is right. Where the
run ends inside the draft, the draft is cut back to a place at which a reader would also stop: never inside a
word or a character, rather at the end of a line, an argument or a name than behind an open bracket or quote.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.nesting import Nesting
from mellum_lsp.completion.surroundings import Surroundings, look
from mellum_lsp.domain import Caret

_DANGLING = re.compile(r"(?:\s|\.|,|[(\[{]|(?<!\+)\+|(?<!-)-|(?<![/*])[*/](?![*/])|[%=&|^!~<@\\])+$")
"""What nobody would stop behind: spaces, openers, and operators that want an operand."""

_WORTH_KEEPING = 0.5
"""Cutting back to before an open bracket or quote may cost this share of the sure text, not more."""

_SHORTEST_PIECE_OF_A_LINE = 8
"""A shorter beginning of a second or later line is no more than a distraction."""


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
    kept = _cut_back(generated.text, sure, length, look(caret))
    return Gated(kept, _joint(generated, kept) if kept else joint)


def is_decided(generated: Generated, threshold: float) -> bool:
    """Whether the joint probability has fallen so low that further tokens cannot be shown."""
    return threshold > 0 and _joint(generated, len(generated.text)) < threshold


def _joint(generated: Generated, length: int) -> float:
    joint = 1.0
    for probability in generated.probabilities[: bisect_left(generated.ends, length) + 1]:
        joint *= probability
    return joint


def _cut_back(text: str, sure: int, length: int, around: Surroundings) -> int:
    """The best place at or before ``sure`` to end; the text goes on to ``length`` and perhaps beyond."""
    whole = _trim(text, _word_boundary(text, sure))
    balanced = _trim(text, _last_balanced(text[:whole], around))
    if balanced < whole * _WORTH_KEEPING:
        balanced = _outside_own_string(text, whole, around)
    return _without_scrap(text, balanced)


def _word_boundary(text: str, end: int) -> int:
    """``end``, or the beginning of the word in whose middle it lies."""
    if end >= len(text) or not (_is_word(text[end]) and _is_word(text[end - 1 : end])):
        return end
    while end > 0 and _is_word(text[end - 1]):
        end -= 1
    return end


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _trim(text: str, end: int) -> int:
    """``end`` without what dangles before it."""
    found = _DANGLING.search(text[:end])
    return found.start() if found else end


def _last_balanced(text: str, around: Surroundings) -> int:
    """The last place at which everything that the text opened is closed again."""
    nesting = Nesting(around)
    opened_at: int | None = None
    for turn in nesting.read(text):
        if nesting.balanced:
            opened_at = None
        elif opened_at is None:
            opened_at = turn.event.offset
    return len(text) if opened_at is None else opened_at


def _without_scrap(text: str, end: int) -> int:
    """``end``, or the end of the line before it where it leaves next to nothing of a later line."""
    line_start = text.rfind("\n", 0, end) + 1
    scrap = text[line_start:end].strip()
    if line_start == 0 or text.startswith("\n", end) or len(scrap) >= _SHORTEST_PIECE_OF_A_LINE:
        return end
    return _trim(text, line_start - 1) or end


def _outside_own_string(text: str, end: int, around: Surroundings) -> int:
    """``end``, or the last whole line before it where it lies in a string that the draft began."""
    nesting = Nesting(around)
    began = 0
    for turn in nesting.read(text[:end]):
        if turn.role == "opens" and turn.event.kind == "string":
            began = turn.event.offset
    if not nesting.in_own_string or nesting.state.kind != "string":
        return end
    line = text.rfind("\n", began, end)
    return _trim(text, line if line >= 0 else began)
