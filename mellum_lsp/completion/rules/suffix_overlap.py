"""The end of a draft that repeats what stands behind the caret on its line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mellum_lsp.completion.draft import Draft, Rejected, shortened
from mellum_lsp.completion.nesting import Nesting
from mellum_lsp.completion.reasons import DUPLICATES_SUFFIX
from mellum_lsp.completion.surroundings import Surroundings, look
from mellum_lsp.domain import Caret

_INSIDE_WORD = re.compile(r"\w\w")


def cut_suffix_overlap(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End before the longest end of the draft with which the rest of the caret's line begins.

    An overlap that begins or ends inside a word is chance: an `e` proves nothing. Nor does a bracket that
    closes one of the draft's own.
    """
    around = look(caret)
    if not around.tail.strip():
        return draft
    text = draft.text.rstrip()
    own = list(_own_brackets(text, around))
    for behind in dict.fromkeys((around.closers + around.tail, around.tail, around.tail.lstrip())):
        for overlap in _overlaps(text, behind.rstrip()):
            end = len(text) - overlap
            if not any(begin < end < bracket_end for begin, bracket_end in own):
                return shortened(draft, end, DUPLICATES_SUFFIX)
    return draft


def _own_brackets(text: str, around: Surroundings) -> Iterator[tuple[int, int]]:
    """Where the brackets and strings begin and end that the text both opens and closes."""
    begun: list[int] = []
    for turn in Nesting(around).read(text):
        if turn.role == "opens":
            begun.append(turn.event.offset)
        elif turn.role == "closes" and begun:
            yield begun.pop(), turn.event.end


def _overlaps(text: str, behind: str) -> Iterator[int]:
    """The lengths of the ends of ``text`` with which ``behind`` begins, in whole words, longest first."""
    for length in range(min(len(text), len(behind)), 0, -1):
        piece = behind[:length]
        if piece.strip() and text.endswith(piece):
            splits_ours = _INSIDE_WORD.search(text[:-length][-1:] + piece[0])
            splits_theirs = _INSIDE_WORD.search(piece[-1] + behind[length : length + 1])
            if not splits_ours and not splits_theirs:
                yield length
