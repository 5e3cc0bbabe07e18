"""Small models loop: the same line, the same block, the same few words."""

from __future__ import annotations

from mellum_lsp.completion.draft import Draft, Rejected, shortened
from mellum_lsp.completion.reasons import REPETITION
from mellum_lsp.completion.repeats import repeated_lines, repeated_unit
from mellum_lsp.domain import Caret


def cut_repetition(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Keep the first of identical lines or blocks, and end before a unit repeats within the last line."""
    lines = draft.text.rstrip().split("\n")
    while repeats := repeated_lines([line.strip() for line in lines]):
        del lines[-repeats:]
    text = "\n".join(lines)
    last_line = len(text) - len(lines[-1])
    repeat = repeated_unit(lines[-1])
    if repeat is not None:
        # Behind whole lines a line that loops is worth nothing; alone, its beginning may be.
        text = text[:last_line].rstrip() if last_line else text[:repeat].rstrip()
    return draft if text == draft.text.rstrip() else shortened(draft, len(text), REPETITION)
