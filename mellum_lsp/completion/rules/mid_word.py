"""In the middle of a word a completion is nearly always noise."""

from __future__ import annotations

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.reasons import MID_WORD
from mellum_lsp.domain import Caret


def reject_mid_word(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Reject where an identifier character stands directly behind the caret."""
    behind = caret.text[caret.offset : caret.offset + 1]
    return Rejected(MID_WORD) if behind.isalnum() or behind == "_" else draft
