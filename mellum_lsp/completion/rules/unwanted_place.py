"""Places in which a completion nobody asked for is noise: the middle of a word, and what settings name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mellum_lsp.completion import reasons
from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.places import Place, place_of
from mellum_lsp.domain import Caret


@dataclass(frozen=True, slots=True)
class UnwantedPlace:
    """Reject in the middle of words unless ``mid_word``, and in the places of ``suppress_in``.

    `refuse` needs no draft: whoever asks it first need not ask the model.
    """

    mid_word: bool = False
    suppress_in: Collection[Place] = ()

    def __call__(self, draft: Draft, caret: Caret) -> Draft | Rejected:
        reason = self.refuse(caret)
        return Rejected(reason) if reason else draft

    def refuse(self, caret: Caret) -> reasons.Reason | None:
        """Why nothing is offered at ``caret``, or None."""
        behind = caret.text[caret.offset : caret.offset + 1]
        if not self.mid_word and (behind.isalnum() or behind == "_"):
            return reasons.MID_WORD
        if not self.suppress_in:
            return None
        place = place_of(caret)
        if place not in self.suppress_in:
            return None
        return reasons.IN_COMMENT if place == "comment" else reasons.IN_STRING
