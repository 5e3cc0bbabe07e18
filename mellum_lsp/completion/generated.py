"""What a model generated, raw: its text and the probability of every token of it."""

from __future__ import annotations

import codecs
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.engine.interface import Token


@dataclass(frozen=True, slots=True)
class Generated:
    """``ends[i]`` is the number of characters there are with token ``i``, ``probabilities[i]`` its own.

    A token that ends inside a character adds none; the token that completes the character does.
    ``stop`` is that of `GenerationStats`, empty while the stream still runs.
    """

    text: str = ""
    ends: Sequence[int] = ()
    probabilities: Sequence[float] = ()
    stop: str = ""

    def after(self, characters: int) -> Generated:
        """What remains when the first characters have been typed.

        A token of which a part was typed keeps its probability: with its beginning known it is only surer.
        """
        if not characters:
            return self
        typed = bisect_right(self.ends, characters)
        return Generated(
            self.text[characters:],
            [end - characters for end in self.ends[typed:]],
            self.probabilities[typed:],
            self.stop,
        )


class Collector:
    """Collects tokens into `Generated`; bytes become text as soon as their character is complete."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._pieces: list[str] = []
        self._length = 0
        self._ends: list[int] = []
        self._probabilities: list[float] = []

    @property
    def tokens(self) -> int:
        return len(self._ends)

    def add(self, token: Token) -> None:
        piece = self._decoder.decode(token.piece).replace("\r", "")
        self._pieces.append(piece)
        self._length += len(piece)
        self._ends.append(self._length)
        self._probabilities.append(token.probability)

    def generated(self, stop: str = "") -> Generated:
        """A snapshot. Bytes of a character that never got complete are left out."""
        self._pieces = ["".join(self._pieces)]
        return Generated(self._pieces[0], tuple(self._ends), tuple(self._probabilities), stop)
