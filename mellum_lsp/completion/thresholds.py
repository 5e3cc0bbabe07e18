"""How sure the model must be of a draft, by what kind of completion it would be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from mellum_lsp.completion.surroundings import Surroundings

_BARE_WORD = re.compile(r"\W*\w*\W*")


class Form(Enum):
    """The kinds of completion that differ in what a mistake costs and in how well a model knows itself."""

    LINE = "line"
    """The rest of a line, or a line."""
    BLOCK = "block"
    """Several lines."""
    MID_LINE = "mid-line"
    """Something in front of text that stands behind the caret."""
    WORD = "word"
    """A bare word: least to gain."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The joint probability that a draft of each form must keep, from 0 (shows everything) to 1."""

    line: float = 0.5
    block: float = 0.5
    mid_line: float = 0.5
    word: float = 0.5

    @classmethod
    def flat(cls, threshold: float) -> Thresholds:
        return cls(threshold, threshold, threshold, threshold)

    def of(self, form: Form) -> float:
        return {
            Form.LINE: self.line,
            Form.BLOCK: self.block,
            Form.MID_LINE: self.mid_line,
            Form.WORD: self.word,
        }[form]

    def lowest(self, around: Surroundings) -> float:
        """What every draft at this place must keep at least."""
        return self.mid_line if around.mid_line else min(self.line, self.block, self.word)


def form_of(text: str, around: Surroundings) -> Form:
    """The form of a draft; ``text`` is the whole suggestion, with what the user typed of it."""
    if around.mid_line:
        return Form.MID_LINE
    if "\n" in text.strip():
        return Form.BLOCK
    return Form.WORD if is_bare_word(text) else Form.LINE


def is_bare_word(text: str) -> bool:
    """Whether a text has at most one word."""
    return bool(_BARE_WORD.fullmatch(text))
