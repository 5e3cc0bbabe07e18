"""How much of an accepted suggestion is still in its document some time later."""

from __future__ import annotations

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

_MOSTLY = 2 / 3
"""Less alike is what any two pieces of one project's code are."""

_SEARCHED = 4000
"""Characters around the place of acceptance that are searched: people edit near what they have accepted."""


def kept_characters(accepted: str, document: str, offset: int) -> int:
    """How many characters of ``accepted``, inserted at ``offset`` of an earlier text, are in ``document``.

    Whole where the text stands anywhere in the document; else by the edit distance to the place near
    ``offset`` that is most like it, none where that is too far. White space does not count: formatters change
    it. After the measures "unchanged" and "mostly unchanged" of Ziegler et al., Productivity Assessment of
    Neural Code Completion (2022).
    """
    wanted = "".join(accepted.split())
    if accepted in document:
        return len(wanted)
    start = max(0, offset - _SEARCHED)
    near = "".join(document[start : offset + len(accepted) + _SEARCHED].split())
    if wanted in near:
        return len(wanted)
    place = fuzz.partial_ratio_alignment(wanted, near)
    if place is None:
        return 0
    alike = Levenshtein.normalized_similarity(wanted, near[place.dest_start : place.dest_end])
    return round(alike * len(wanted)) if alike >= _MOSTLY else 0


def visible_characters(text: str) -> int:
    """The characters that count: those that are no white space."""
    return len("".join(text.split()))
