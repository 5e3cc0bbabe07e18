"""The word at the caret, left out of the prompt so that the model spells it with the tokens it knows.

A prompt that ends within a word ends in tokens that the model has seldom seen there: ``return resu`` is cut
into other tokens than the beginning of ``return result``. So the word goes, with the space before it, which
belongs to its token, and the answer is held to begin with it: token healing (Lundberg, "The Art of Prompt
Design: Prompt Boundaries and Token Healing", 2023). How much that brings is told in docs/quality.md.
"""

from __future__ import annotations

import re
from dataclasses import replace

from mellum_lsp.domain import Prompt

_WORD = re.compile(r" ?\w+\Z")
_LONGEST = 32
"""What is left out is spelled anew at every key; longer words are rather left as they are."""


def heal(prompt: Prompt) -> tuple[Prompt, str]:
    """``prompt`` without the word at the caret, and that word; all of it and "" where there is none.

    As `Dialect.render` promises, the last segment of the part ``prefix`` ends at the caret.
    """
    place = next((place for place, part in enumerate(prompt) if part.kind == "prefix"), None)
    if place is None:
        return prompt, ""
    *markers, text = prompt[place].segments
    found = _WORD.search(text, max(0, len(text) - _LONGEST - 1)) if isinstance(text, str) else None
    if not isinstance(text, str) or found is None or not found.start():
        return prompt, ""
    word = found[0]
    if len(word) > _LONGEST:
        return prompt, ""
    part = replace(prompt[place], segments=(*markers, text[: found.start()]))
    return (*prompt[:place], part, *prompt[place + 1 :]), word
