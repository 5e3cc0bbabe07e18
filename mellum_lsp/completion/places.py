"""What kind of place a caret stands in: code, a comment or a string."""

from __future__ import annotations

from typing import Literal

from mellum_lsp.completion.surroundings import Surroundings, look
from mellum_lsp.domain import Caret

Place = Literal["code", "comment", "string"]


def place_of(caret: Caret) -> Place:
    """The place of ``caret``; a docstring is a comment, as it is to its reader."""
    around = look(caret)
    if around.state.in_code:
        return "code"
    return "string" if around.state.kind == "string" and not _is_docstring(caret, around) else "comment"


def _is_docstring(caret: Caret, around: Surroundings) -> bool:
    """Whether the string at the caret is a statement by itself, in a language that documents so."""
    if not around.syntax.colon_blocks or len(around.state.until) != 3:
        return False
    begin = caret.text.rfind(around.state.until, 0, caret.offset)
    return begin >= 0 and not caret.text[caret.text.rfind("\n", 0, begin) + 1 : begin].strip(" \trRuU")
