"""A draft on its way through the rules, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mellum_lsp.completion.reasons import Reason
from mellum_lsp.domain import Caret


@dataclass(frozen=True, slots=True)
class Draft:
    """Text that would be put at the caret in place of the ``replace_after`` characters behind it.

    ``typed`` is what the user already typed of the same generation: the draft is the rest of a suggestion.
    ``cut``: it ends within a line because nobody trusted what the model said next.
    """

    text: str
    replace_after: int = 0
    typed: str = ""
    cut: bool = False

    def with_text(self, text: str) -> Draft:
        return replace(self, text=text)

    def before_typing(self, caret: Caret) -> tuple[Draft, Caret]:
        """The whole suggestion, and the caret at which the user began to type it.

        Where it holds there, it holds here: a ghost stays while its reader types along.
        """
        begin = caret.offset - len(self.typed)
        if not self.typed or caret.text[begin : caret.offset] != self.typed:
            return self, caret
        text = caret.text[:begin] + caret.text[caret.offset :]
        return replace(self, text=self.typed + self.text, typed=""), replace(caret, text=text, offset=begin)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing is shown, and why."""

    reason: Reason


Rule = Callable[[Draft, Caret], Draft | Rejected]
"""Pure. A rule's name says what it does to a draft."""


def shortened(draft: Draft, length: int, reason: Reason) -> Draft | Rejected:
    """The draft's first ``length`` characters, rejected where nothing but whitespace is left."""
    text = draft.text[:length]
    return draft.with_text(text) if text.strip() else Rejected(reason)
