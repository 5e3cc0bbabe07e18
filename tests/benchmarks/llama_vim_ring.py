"""llama.vim's ring: pieces of places visited before, which stand in front of every prompt."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from llama_vim_text import CHUNK_LINES, Sizes

PICK_LINES = 32
_MOST_QUEUED = 16
_WHOLE_REACH_LINES = 1024


@dataclass(frozen=True)
class Piece:
    path: str
    lines: tuple[str, ...]


class Ring:
    """Pieces are queued as the caret goes and join one by one; what is like its surroundings leaves again."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._pieces: list[Piece] = []
        self._queued: list[Piece] = []
        self._picked_line = -9999
        self._random = random.Random(1)

    @property
    def text(self) -> str:
        """In Mellum's dialect."""
        return "".join(f"<filename>{one.path}\n" + "\n".join(one.lines) + "\n" for one in self._pieces)

    def turn(self) -> bool:
        """A queued piece joins; False where none waits."""
        if not self._queued or not self._sizes.chunks:
            return False
        self._pieces = [*self._pieces, self._queued.pop(0)][-self._sizes.chunks :]
        return True

    def gather(self, path: str, lines: Sequence[str], row: int) -> None:
        """After a long way, pieces from before and behind the window are queued."""
        if abs(row - self._picked_line) <= PICK_LINES:
            return
        self._picked_line = row
        self.pick(path, lines[max(0, row - _WHOLE_REACH_LINES) : max(0, row - self._sizes.prefix)])
        behind = row + self._sizes.suffix
        self.pick(path, lines[behind : behind + 2 * CHUNK_LINES])

    def pick(self, path: str, lines: Sequence[str]) -> None:
        """Queue a random piece of the lines, unless much the same is there."""
        if len(lines) < 3 or not self._sizes.chunks:
            return
        piece = self._random_piece(path, lines)
        if any(_similarity(piece.lines, known.lines) > 0.9 for known in (*self._pieces, *self._queued)):
            return
        self._queued = [*self._queued, piece][-_MOST_QUEUED:]

    def evict(self, path: str, lines: Sequence[str], row: int) -> None:
        """What is much like the caret's surroundings goes."""
        near = self._random_piece(path, lines[max(0, row - CHUNK_LINES) : row + CHUNK_LINES])
        self._pieces = [one for one in self._pieces if _similarity(near.lines, one.lines) <= 0.5]

    def _random_piece(self, path: str, lines: Sequence[str]) -> Piece:
        start = self._random.randint(0, max(0, len(lines) - CHUNK_LINES))
        return Piece(path, tuple(lines[start : start + CHUNK_LINES]))


def _similarity(one: Sequence[str], other: Sequence[str]) -> float:
    first, second = (re.split(r"\W+", "\n".join(lines)) for lines in (one, other))
    common = sum(word in set(first) for word in second)
    return 2 * common / (len(first) + len(second)) if first or second else 1.0
