"""Brackets and quotes behind the caret that an editor closed by itself, and those that the model closes.

The model never saw the editor's closers (they stay out of the prompt), so it writes its own: ``foo(`` with an
inserted ``)`` behind the caret brings ``x)`` or ``x).bar()``. Both are joined here: what the draft closes
replaces what stands there, and closers at the draft's very end are left to the document.
"""

from __future__ import annotations

from dataclasses import replace

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.lexing import Event
from mellum_lsp.completion.nesting import Nesting
from mellum_lsp.completion.reasons import DUPLICATES_SUFFIX
from mellum_lsp.completion.surroundings import Surroundings, look
from mellum_lsp.domain import Caret


def reconcile_closers(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Replace the closers behind the caret that the draft closes, and keep it from closing others."""
    around = look(caret)
    nesting = Nesting(around)
    joined: list[Event] = []
    text = draft.text
    for turn in nesting.copy().read(text):
        here = turn.enclosure is not None and turn.enclosure.provided == "here" and not around.mid_line
        missing = turn.enclosure is not None and turn.enclosure.provided == "no"
        if turn.role == "surplus" or (turn.role == "closes around" and not here and not missing):
            text = _before(text, turn.event)
            break
        if here:
            joined.append(turn.event)
    while joined and joined[-1].end == len(text) and not _begins_line(text, joined[-1]):
        text = _before(text, joined.pop())
    replaced = sum(len(event.text) for event in joined)
    if not text.strip() or text.strip() == around.closers[:replaced]:
        return Rejected(DUPLICATES_SUFFIX)
    text += _break_before_brace(text, around, replaced)
    return replace(draft, text=text, replace_after=replaced)


def _before(text: str, event: Event) -> str:
    before = text[: event.offset]
    return before if event.kind == "string end" else before.rstrip()


def _begins_line(text: str, event: Event) -> bool:
    line_start = text.rfind("\n", 0, event.offset) + 1
    return line_start > 0 and not text[line_start : event.offset].strip()


def _break_before_brace(text: str, around: Surroundings, replaced: int) -> str:
    """A line break where a block of lines would end with the brace that stands behind the caret."""
    if "\n" not in text or text.endswith("\n") or around.closers[replaced : replaced + 1] != "}":
        return ""
    innermost = around.enclosures[-1] if around.enclosures else None
    if replaced or innermost is None or innermost.closer != "}" or innermost.provided != "here":
        return ""
    indentation = around.line_before[: len(around.line_before) - len(around.line_before.lstrip())]
    return "\n" + indentation
