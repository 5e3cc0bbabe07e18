"""How much was typed by hand: what the ratio of completed code compares completions with."""

from __future__ import annotations

from mellum_lsp.feedback.inference import TYPED_AT_ONCE


def typed_characters(inserted: str) -> int:
    """How many characters of a change's inserted text came from keys.

    Editors add indentation to a line break and a closer to an opener. What is longer was pasted, generated,
    formatted or accepted, and counts nothing.
    """
    content = inserted.strip()
    if len(content) > TYPED_AT_ONCE:
        return 0
    if "\n" in inserted:
        return 1 + len(content)
    return len(inserted) if len(inserted) <= TYPED_AT_ONCE else 0
