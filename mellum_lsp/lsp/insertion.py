"""What an item puts where, and the text that the editor's popup would put there first.

While its popup is open, an editor shows ghosts only behind the entry that is selected there. So that entry
counts as typed: the completion is made for the document that holds it, and what is offered begins with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lsprotocol import types

from mellum_lsp.completion.outcome import Item
from mellum_lsp.domain import Caret
from mellum_lsp.lsp.documents import Document, Place


@dataclass(frozen=True, slots=True)
class Selection:
    """``text`` would replace ``before`` characters in front of the caret and ``after`` behind it."""

    text: str
    before: int
    after: int

    @classmethod
    def read(cls, info: types.SelectedCompletionInfo, document: Document, place: Place) -> Selection | None:
        """What the popup has selected; None where that is not around the caret, on its line."""
        start, end = document.place(info.range.start), document.place(info.range.end)
        if not start.line == place.line == end.line or not start.offset <= place.offset <= end.offset:
            return None
        text = info.text.replace("\r\n", "\n").replace("\r", "\n")
        return cls(text, place.offset - start.offset, end.offset - place.offset)

    def apply(self, caret: Caret) -> Caret:
        """The caret behind the selected text, in the document that holds it."""
        before = caret.text[: caret.offset - self.before] + self.text
        return replace(caret, text=before + caret.text[caret.offset + self.after :], offset=len(before))


@dataclass(frozen=True, slots=True)
class Insertion:
    """``text`` in place of ``before`` characters in front of the caret and ``after`` behind it."""

    text: str
    before: int = 0
    after: int = 0

    @classmethod
    def of(cls, item: Item, selection: Selection | None = None) -> Insertion:
        if selection is None:
            return cls(item.text, 0, item.replace_after)
        return cls(selection.text + item.text, selection.before, selection.after + item.replace_after)

    def continues(self, place: Place) -> str | None:
        """What of the text comes behind the caret; None where it rewrites what stands in front of it."""
        replaced = place.before[len(place.before) - self.before :]
        return self.text[self.before :] if self.text.startswith(replaced) else None
