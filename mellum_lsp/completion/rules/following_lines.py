"""A draft that only says what the next lines say already."""

from __future__ import annotations

import re

from rapidfuzz.distance import Levenshtein

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.lines import width
from mellum_lsp.completion.reasons import DUPLICATES_SUFFIX
from mellum_lsp.completion.surroundings import LINES_BELOW, look
from mellum_lsp.domain import Caret

_TOLERANCE = 0.05


def reject_following_lines(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Reject a draft whose first lines (three at most, blank ones left out) are the next ones of the file.

    Several lines may differ from the file's in 5% of their characters, at least in one. A single line must be
    the same: neighbours that differ in a letter (`x: int`, `y: int`) are how people write lists.
    """
    around = look(caret)
    if around.mid_line:
        return draft
    first, *rest = draft.text.split("\n")
    lines = [around.line_before + first] if first.strip() else []
    lines = [*lines, *(line for line in rest if line.strip())][:LINES_BELOW]
    count = min(len(lines), len(around.lines_below))
    ours, theirs = lines[:count], around.lines_below[:count]
    if not any(re.search(r"\w", line) for line in ours):
        return draft
    if count == 1:
        same = ours[0].split() == theirs[0].split() and width(ours[0]) == width(theirs[0])
    else:
        a, b = ("\n".join(" ".join(line.split()) for line in lines) for lines in (ours, theirs))
        same = Levenshtein.distance(a, b) <= max(1, int(_TOLERANCE * max(len(a), len(b))))
    return Rejected(DUPLICATES_SUFFIX) if same else draft
