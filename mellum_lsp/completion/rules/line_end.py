"""Where the line goes on behind the caret, a draft of several lines would tear it apart."""

from __future__ import annotations

from mellum_lsp.completion.draft import Draft, Rejected, shortened
from mellum_lsp.completion.reasons import EMPTY
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret


def end_with_the_line(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End at the first line break where more than closers stands behind the caret."""
    newline = draft.text.find("\n")
    if newline < 0 or not look(caret).mid_line:
        return draft
    return shortened(draft, newline, EMPTY)
