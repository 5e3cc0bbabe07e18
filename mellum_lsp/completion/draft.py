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
    ``cut``: it ends where somebody stopped trusting it, not where the model's statement does.
    """

    text: str
    replace_after: int = 0
    typed: str = ""
    cut: bool = False

    def with_text(self, text: str) -> Draft:
        return replace(self, text=text)


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
