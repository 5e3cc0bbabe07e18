"""A glance at a ghost costs the reader more than typing three characters."""

from __future__ import annotations

from dataclasses import dataclass

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.keywords import without_keywords
from mellum_lsp.completion.reasons import TOO_SHORT
from mellum_lsp.domain import Caret


@dataclass(frozen=True, slots=True)
class MinimumWorth:
    """Reject drafts with fewer than ``characters`` visible ones, and drafts of punctuation alone.

    What was cut off from its statement (`self`, `public static`) is worth a glance only where it has twice as
    many besides the language's own words: the reader must still think of the rest. Measured is the whole
    suggestion, with what the user typed of it already: a ghost that was worth showing does not vanish before
    its last characters.
    """

    characters: int

    def __call__(self, draft: Draft, caret: Caret) -> Draft | Rejected:
        whole = draft.typed + draft.text
        has_word = any(character.isalnum() for character in whole)
        enough = _visible(whole) >= self.characters
        if draft.cut:
            enough = enough and _visible(without_keywords(whole)) >= 2 * self.characters
        if not enough or not has_word or not draft.text.strip():
            return Rejected(TOO_SHORT)
        return draft


def _visible(text: str) -> int:
    return sum(not character.isspace() for character in text)
