"""A document in a simulated editor, what changes it, and what is offered in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mellum_lsp.bench.writing import Writing


@dataclass(frozen=True, slots=True)
class Edit:
    """``text`` in place of ``replaced``, which stood at ``start``; the caret is at ``caret`` then.

    Offsets count characters.
    """

    start: int
    replaced: str
    text: str
    caret: int

    @property
    def end(self) -> int:
        """Where the replaced text ended."""
        return self.start + len(self.replaced)

    @property
    def growth(self) -> int:
        return len(self.text) - len(self.replaced)


@dataclass(frozen=True, slots=True)
class Ghost:
    """``text`` offered at the caret in place of ``replaces`` characters behind it."""

    text: str
    replaces: int = 0


@dataclass(slots=True)
class Document:
    """A file as the editor has it open; ``places`` are being written in it."""

    path: str
    language: str
    text: str
    places: list[Writing] = field(default_factory=list)

    def apply(self, edit: Edit, by: Writing) -> None:
        """Change the text; the carets of other places move with it."""
        self.text = self.text[: edit.start] + edit.text + self.text[edit.end :]
        for place in self.places:
            if place is by:
                place.caret = edit.caret
            elif place.caret >= edit.end:
                place.caret += edit.growth
