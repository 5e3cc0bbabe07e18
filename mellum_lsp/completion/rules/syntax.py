"""A draft must not break the code around it: prefix, draft and suffix parse no worse than without it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from mellum_lsp.completion.boundaries import shorter_ends
from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.nesting import Nesting
from mellum_lsp.completion.parsing import SyntaxCheck, check_at
from mellum_lsp.completion.reasons import BREAKS_SYNTAX
from mellum_lsp.completion.rules.closers import reconcile_closers
from mellum_lsp.completion.surroundings import Surroundings, look
from mellum_lsp.domain import Caret, Trigger

_MOST_ENDS = 8
"""So many ends of a draft are tried; what is wrong is mostly near its end or at its very beginning."""


def end_with_valid_syntax(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End at the last place up to which the draft is the beginning of something that fits.

    What a draft leaves open is thought closed: half a call is no mistake, a bracket too many is. Asked
    explicitly, a draft that fits nowhere is left as it is.
    """
    around = look(caret)
    if around.state.kind in ("line comment", "block comment"):
        return draft
    check = check_at(caret)
    ends = chain([len(draft.text)], shorter_ends(draft.text, around))
    for end in islice(ends, _MOST_ENDS):
        shorter = draft.with_text(draft.text[:end])
        if _fits(shorter, caret, around, check):
            return shorter
    return draft if caret.trigger is Trigger.INVOKED else Rejected(BREAKS_SYNTAX)


def _fits(draft: Draft, caret: Caret, around: Surroundings, check: SyntaxCheck) -> bool:
    joined = reconcile_closers(draft, caret)
    if isinstance(joined, Rejected):
        return True  # that rule will say why
    return any(check.fits(text, joined.replace_after) for text in _wholes(joined.text, around))


def _wholes(text: str, around: Surroundings) -> Iterator[str]:
    """The draft with all that it may only have left out at its end, likeliest first."""
    nesting = Nesting(around).read_all(text)
    whole = text + nesting.closing()
    yield whole
    if around.mid_line:
        return
    if around.syntax.braces:
        yield f"{whole};"
    if around.syntax.braces or nesting.innermost:
        yield f"{whole},"
    for word in around.syntax.word_blocks:
        yield f"{whole}\n{word}"
        yield f"{whole}\n{word}\n{word}"
