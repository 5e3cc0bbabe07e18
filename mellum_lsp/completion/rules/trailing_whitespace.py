"""Whitespace that nobody would have typed at the end of a line."""

from __future__ import annotations

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.nesting import Nesting
from mellum_lsp.completion.reasons import EMPTY
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret


def trim_trailing_whitespace(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Trim the draft's end, and empty the lines of it that hold only whitespace.

    Spaces stay where something follows directly: before text on the caret's line and inside a string.
    """
    if not draft.text.strip():
        return Rejected(EMPTY)
    first, *rest = draft.text.split("\n")
    text = "\n".join([first, *(line if line.strip() else "" for line in rest)])
    around = look(caret)
    if around.mid_line and not around.tail[:1].isspace():
        return draft.with_text(text)
    nesting = Nesting(around)
    for _ in nesting.read(text):
        pass
    in_string = nesting.state.kind == "string" and not nesting.state.multiline
    return draft.with_text(text if in_string else text.rstrip())
