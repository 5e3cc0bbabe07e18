"""A draft that begins with what was just typed, as small models do: `import ` and then `import os`."""

from __future__ import annotations

import re

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.keywords import is_keyword
from mellum_lsp.completion.reasons import REPETITION
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret

_SHORTEST_LINE = 2
_LONGEST_KEYWORD = 60
"""With the space behind it; a regular expression takes the square of a long word's length."""
_LAST_WORD = re.compile(r"(\w+)[ \t]+\Z")
_FIRST_WORD = re.compile(r"\s*(\w+)")


def reject_typed_again(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Reject a draft that begins with all of the caret's line, or with the keyword before the caret.

    Names do come twice: ``time time.Time`` is a parameter in Go.
    """
    line = look(caret).line_before
    typed = line.strip()
    if len(typed) >= _SHORTEST_LINE and re.search(r"\w", typed) and draft.text.lstrip().startswith(typed):
        return Rejected(REPETITION)
    last, first = _LAST_WORD.search(line[-_LONGEST_KEYWORD:]), _FIRST_WORD.match(draft.text)
    again = last and first and last.group(1) == first.group(1) and is_keyword(last.group(1))
    return Rejected(REPETITION) if again else draft
