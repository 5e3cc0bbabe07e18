"""A prompt as one text: what a server is sent that tokenises for itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mellum_lsp.domain import Marker, Part

_JOINT = "\u2060"
"""Word joiner: invisible, and no model's marker contains it."""


def as_text(parts: Sequence[Part], markers: Iterable[str]) -> str:
    """The parts as text with its ``markers`` spelled out.

    The server takes every spelled marker for a control token, so code that spells one (this project's does)
    gets a word joiner into it: it is shown almost as it stands and cannot break the prompt apart.
    """
    known = {*markers, *(s.text for part in parts for s in part.segments if isinstance(s, Marker))}
    return "".join(
        segment.text if isinstance(segment, Marker) else _defused(segment, known)
        for part in parts
        for segment in part.segments
    )


def _defused(text: str, markers: set[str]) -> str:
    for marker in markers:
        if marker in text:
            text = text.replace(marker, marker[0] + _JOINT + marker[1:])
    return text
