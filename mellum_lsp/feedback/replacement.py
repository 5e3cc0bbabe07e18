"""What stands in the place of a suggestion, some edits later. Pure."""

from __future__ import annotations

from mellum_lsp.feedback.inference import Ghost

_BEFORE, _AFTER = 160, 80
"""Characters around the place by which it is found again."""


def written_instead(ghost: Ghost, text: str) -> str | None:
    """What the document ``text`` holds in the ghost's place, in as many lines as the ghost has.

    None where the place cannot be told any more: what stood around it is gone, or stands there twice.
    """
    before, after = ghost.before[-_BEFORE:], ghost.after.lstrip()[:_AFTER]
    start = _only(text, before)
    if start is None:
        return None
    start += len(before)
    if after:
        end = text.find(after, start)
        if end < 0:
            return None
    else:
        end = len(text)
    lines = text[start:end].split("\n")[: ghost.text.count("\n") + 1]
    return "\n".join(lines)


def _only(text: str, wanted: str) -> int | None:
    """Where ``wanted`` stands in ``text``, None where that is not at one place."""
    at = text.find(wanted)
    return at if at >= 0 and text.find(wanted, at + 1) < 0 else None
