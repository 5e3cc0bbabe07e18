"""The end of a draft that repeats what stands behind the caret on its line."""

from __future__ import annotations

import re

from mellum_lsp.completion.draft import Draft, Rejected, shortened
from mellum_lsp.completion.reasons import DUPLICATES_SUFFIX
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret

_SHORTEST_WORDS = 3


def cut_suffix_overlap(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End before the longest end of the draft with which the rest of the caret's line begins.

    Overlaps of one or two characters count only where they are punctuation: an `e` proves nothing.
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
    """The length of the longest convincing end of ``text`` with which ``behind`` begins; 0 for none."""
    for length in range(min(len(text), len(behind)), 0, -1):
        piece = behind[:length]
        if not piece.strip() or not text.endswith(piece):
            continue
        splits_word = bool(re.match(r"\w", piece)) and bool(re.search(r"\w$", text[:-length]))
        convincing = len(piece.strip()) >= _SHORTEST_WORDS or not re.search(r"\w", piece) or piece == behind
        if convincing and not splits_word:
            return length
    return 0
