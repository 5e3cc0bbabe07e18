"""Whitespace that nobody would have typed: at the end of a line, and a space behind a space."""

from __future__ import annotations

import re

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.nesting import Nesting
from mellum_lsp.completion.reasons import EMPTY
from mellum_lsp.completion.surroundings import Surroundings, look
from mellum_lsp.domain import Caret

_LED_ON = re.compile(r"(?<=\S)(?:\s*\n[ \t]*(?:\*|#|//+|--))+\s*\Z")


def trim_whitespace(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Trim the draft's end, empty the lines of it that hold only whitespace, and drop a second space.

    A last line that only leads on a comment which does not go on is as good as white.

    Spaces stay where something follows directly: before text on the caret's line and inside a string.
    """
    if not draft.text.strip():
        return Rejected(EMPTY)
    around = look(caret)
    first, *rest = draft.text.split("\n")
    if _is_behind_space(around) and first.strip():
        first = first.lstrip(" \t")
    text = "\n".join([first, *(line if line.strip() else "" for line in rest)])
    if around.mid_line and not around.tail[:1].isspace():
        return draft.with_text(text)
    state = Nesting(around).read_all(text).state
    in_string = state.kind == "string" and not state.multiline
    return draft.with_text(text if in_string else _LED_ON.sub("", text).rstrip())


def _is_behind_space(around: Surroundings) -> bool:
    """Whether code on the caret's line is followed by a space already."""
    return around.state.in_code and around.line_before[-1:].isspace() and not around.on_blank_line
