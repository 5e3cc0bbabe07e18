"""A draft must not break the code around it: prefix, draft and suffix parse no worse than without it."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, islice

from mellum_lsp.completion.boundaries import shorter_ends
from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.fitting import fits_begun
from mellum_lsp.completion.reasons import BREAKS_SYNTAX, TOO_SHORT
from mellum_lsp.completion.rules.closers import reconcile_closers
from mellum_lsp.completion.surroundings import look
from mellum_lsp.completion.thresholds import is_bare_word
from mellum_lsp.domain import Caret, Trigger

_MOST_ENDS = 8
"""So many ends of a draft are tried; what is wrong is mostly near its end or at its very beginning."""


def end_with_valid_syntax(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End at the last place up to which the draft is the beginning of something that fits.

    What a draft leaves open is thought closed: half a call is no mistake, a bracket too many is. A bare word
    that would be left of a mistake proves nothing; one that the gate has left (`if`) is no mistake, but too
    little. Asked explicitly, a draft that fits nowhere is left as it is.
    """
    around = look(caret)
    if around.state.kind in ("line comment", "block comment"):
        return draft
    if draft.typed and _fits(*draft.before_typing(caret)):
        return draft  # as it did when it was first shown: the parser remembers
    ends = chain([len(draft.text)], shorter_ends(draft.text, around))
    for end in islice(ends, _MOST_ENDS):
        shorter = draft if end == len(draft.text) else replace(draft, text=draft.text[:end], cut=True)
        if _fits(shorter, caret):
            if shorter is not draft and is_bare_word(shorter.text):
                break
            return shorter
    if caret.trigger is Trigger.INVOKED:
        return draft
    return Rejected(TOO_SHORT if draft.cut and is_bare_word(draft.text) else BREAKS_SYNTAX)


def _fits(draft: Draft, caret: Caret) -> bool:
    """As it would be shown; a draft of closers alone is left to the rule that reconciles them."""
    joined = reconcile_closers(draft, caret)
    return isinstance(joined, Rejected) or fits_begun(joined.text, caret, joined.replace_after)
