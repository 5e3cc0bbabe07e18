"""The end of a draft that repeats what stands behind the caret on its line."""

from __future__ import annotations

import re

from mellum_lsp.completion.draft import Draft, Rejected, shortened
from mellum_lsp.completion.reasons import DUPLICATES_SUFFIX
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret

_INSIDE_WORD = re.compile(r"\w\w")


def cut_suffix_overlap(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End before the longest end of the draft with which the rest of the caret's line begins.

    An overlap that begins or ends inside a word is chance: an `e` proves nothing.
    """
    around = look(caret)
    if not around.mid_line:
        return draft
    for behind in dict.fromkeys((around.closers + around.tail, around.tail, around.tail.lstrip())):
        overlap = _overlap(draft.text.rstrip(), behind.rstrip())
        if overlap:
            return shortened(draft, len(draft.text.rstrip()) - overlap, DUPLICATES_SUFFIX)
    return draft


def _overlap(text: str, behind: str) -> int:
    """The length of the longest end of ``text`` with which ``behind`` begins, in whole words; 0 for none."""
    for length in range(min(len(text), len(behind)), 0, -1):
        piece = behind[:length]
        if piece.strip() and text.endswith(piece):
            splits_ours = _INSIDE_WORD.search(text[:-length][-1:] + piece[0])
            splits_theirs = _INSIDE_WORD.search(piece[-1] + behind[length : length + 1])
            if not splits_ours and not splits_theirs:
                return length
    return 0
