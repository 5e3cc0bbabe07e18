"""A draft that only rewrites the line over it."""

from __future__ import annotations

import re

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.lines import width
from mellum_lsp.completion.reasons import REWRITES_LINE_ABOVE
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret

_SHORTEST = 5


def reject_line_above(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Reject a draft whose first line equals the line above it, indentation included.

    Lines without a letter (rows of numbers, brackets) and very short ones repeat for good reasons.
    """
    around = look(caret)
    first, *rest = draft.text.split("\n")
    line, above = around.line_before + first, around.line_above
    if not first.strip():
        line, above = next((line for line in rest if line.strip()), ""), around.line_before
    if len(line.strip()) < _SHORTEST or not re.search(r"[^\W\d]", line):
        return draft
    same = line.split() == above.split() and width(line) == width(above)
    return Rejected(REWRITES_LINE_ABOVE) if same and not around.mid_line else draft
