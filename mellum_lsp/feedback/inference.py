"""What became of a suggestion, read from its document where the client does not tell.

A ghost is followed from the moment it is offered: how much of it stands in the document by now, and whether
that came key by key or at once. Pure: texts and times come in, events go out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mellum_lsp.feedback.events import Kind

SEEN_SECONDS = 0.15
"""A ghost that was gone sooner was not seen by anybody."""

READ_SECONDS = 0.75
"""Who types something else after looking at a ghost for this long has refused it."""

TYPED_AT_ONCE = 3
"""So many characters may come with one change and still be typed: some editors collect keys for a while."""

_CLOSERS = re.compile(r"[)\]}\"'`]*")


class Inferred(NamedTuple):
    """``characters`` of the suggestion were typed or taken; None where the whole of it is meant."""

    kind: Kind
    suggestion: str
    characters: int | None = None


@dataclass(frozen=True, slots=True)
class Ghost:
    """``text`` offered in place of ``replaced`` characters behind ``offset`` of the text ``document``."""

    suggestion: str
    text: str
    offset: int
    replaced: int
    document: str

    @property
    def before(self) -> str:
        return self.document[: self.offset]

    @property
    def after(self) -> str:
        return self.document[self.offset + self.replaced :]

    def taken(self, text: str) -> int | None:
        """How many of the ghost's characters stand at its place in ``text``, which was ``document`` before.

        -1 where something else was typed there, None where the document changed in other places. Closers that
        an editor puts behind the caret by itself do not count.
        """
        before, after = self.before, self.after
        if len(text) < len(before) + len(after) or not (text.startswith(before) and text.endswith(after)):
            return None
        middle = text[len(before) : len(text) - len(after)]
        length = 0
        for written, offered in zip(middle, self.text, strict=False):
            if written != offered:
                break
            length += 1
        return length if _CLOSERS.fullmatch(middle, length) else -1


class Watch:
    """Follows the ghosts of one document, one at a time. Times are in seconds of any one clock."""

    def __init__(self) -> None:
        self._ghost: Ghost | None = None
        self._offered_at = 0.0
        self._taken = 0
        self._typed = 0
        """Of the characters taken, how many were typed."""
        self._announced = 0
        """So many are taken by the client, as it says itself, not typed."""

    @property
    def inserted(self) -> int:
        """Characters of the ghost that stand in the document and were not typed."""
        return self._taken - self._typed

    def offer(self, ghost: Ghost, now: float) -> tuple[str, list[Inferred]]:
        """``ghost`` is shown from now on.

        Returns the suggestion that it belongs to (the rest of a ghost into which somebody types is still the
        same suggestion) and what became of the one before.
        """
        known = self._ghost
        if known and _same_end(known, ghost):
            return known.suggestion, []
        happened = list(self._end(now))
        self._ghost, self._offered_at, self._taken, self._typed, self._announced = ghost, now, 0, 0, 0
        return ghost.suggestion, happened

    def announce(self, suggestion: str, left: int) -> None:
        """The client takes of the suggestion's ghost all but ``left`` characters: what comes is not typed."""
        if self._ghost and self._ghost.suggestion == suggestion:
            self._announced = len(self._ghost.text) - left

    def change(self, text: str, now: float) -> list[Inferred]:
        """The document is ``text`` now."""
        ghost = self._ghost
        if ghost is None:
            return []
        taken = ghost.taken(text)
        if taken is None or taken < 0:
            return list(self._end(now, refused=taken is not None))
        step, self._taken = taken - self._taken, taken
        if taken <= self._announced:
            return list(self._end(now)) if taken == len(ghost.text) else []
        if step <= TYPED_AT_ONCE:
            self._typed = max(0, self._typed + step)
            return list(self._end(now)) if taken == len(ghost.text) else []
        if taken < len(ghost.text):
            return [Inferred(Kind.PARTIALLY_ACCEPTED, ghost.suggestion, taken)]
        return [*self._end(now), Inferred(Kind.ACCEPTED, ghost.suggestion, taken - self._typed)]

    def gone(self, now: float) -> list[Inferred]:
        """Nothing is shown any more."""
        return list(self._end(now))

    def _end(self, now: float, refused: bool = False) -> Iterator[Inferred]:
        ghost, self._ghost = self._ghost, None
        if ghost is None:
            return
        seconds = now - self._offered_at
        if self._taken or seconds >= SEEN_SECONDS:
            yield Inferred(Kind.SHOWN, ghost.suggestion)
        if self._typed:
            yield Inferred(Kind.TYPED_THROUGH, ghost.suggestion, self._typed)
        if refused and not self._taken and seconds >= READ_SECONDS:
            yield Inferred(Kind.DISMISSED, ghost.suggestion)


def _same_end(known: Ghost, new: Ghost) -> bool:
    """Whether accepting either leaves the same document."""
    return (known.after, known.before + known.text) == (new.after, new.before + new.text)
