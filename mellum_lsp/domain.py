"""The words of the design as types. This module imports nothing of the project; every room may import it.

Offsets are counted in Unicode characters (code points) of a text whose only line ending is ``\\n``.
The `lsp` package converts at the door in both directions; nothing behind it knows UTF-16 or ``\\r\\n``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal


class Trigger(Enum):
    """Why a completion was asked for."""

    AUTOMATIC = "automatic"
    """The editor asked by itself while the user typed."""
    INVOKED = "invoked"
    """The user asked explicitly: bypasses gate, minimum length and rejection memory."""


@dataclass(frozen=True, slots=True)
class Caret:
    """A place in a document at which a completion is wanted.

    ``path`` is relative to the workspace folder ``root`` with ``/`` (a bare name for `untitled:` documents);
    ``language`` is the LSP language identifier; ``text`` is the whole document and ``offset`` the number of
    characters before the caret. ``document`` names the document uniquely (its URI).
    """

    path: str
    language: str
    text: str
    offset: int
    trigger: Trigger = Trigger.AUTOMATIC
    root: str = ""
    document: str = ""

    @property
    def prefix(self) -> str:
        return self.text[: self.offset]

    @property
    def suffix(self) -> str:
        return self.text[self.offset :]

    @property
    def line_before(self) -> str:
        """The caret's line up to the caret."""
        return self.text[self.text.rfind("\n", 0, self.offset) + 1 : self.offset]

    @property
    def line_after(self) -> str:
        """The caret's line from the caret on, without its line ending."""
        end = self.text.find("\n", self.offset)
        return self.text[self.offset : end if end >= 0 else len(self.text)]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines ``start_line`` to ``end_line`` (from 1, both included) of a project file.

    ``scope`` holds the header lines of the enclosing definitions (``class Foo:``), outermost first.
    ``text`` is what stands there, or a compressed form of it (signatures for bodies); then ``source`` is the
    text in full, else empty.
    """

    path: str
    start_line: int
    end_line: int
    text: str
    scope: tuple[str, ...] = ()
    source: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """A chunk that the strategy named ``strategy`` found, with its score (higher is more relevant).

    ``whole`` is the chunk that was found, where ``chunk`` is a compressed form of it.
    """

    chunk: Chunk
    score: float
    strategy: str
    whole: Chunk | None = field(default=None, repr=False)

    @property
    def found(self) -> Chunk:
        """The chunk as it was found, in whichever form it is shown."""
        return self.whole or self.chunk


@dataclass(frozen=True, slots=True)
class Marker:
    """A control token of a model's vocabulary, named by its text there (``<fim_prefix>``).

    Only a marker becomes a control token: text that merely spells one is always tokenised as plain text.
    """

    text: str


Segment = Marker | str

PartKind = Literal["begin", "context", "file", "suffix", "prefix", "middle"]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the prompt with one purpose; ``path`` is empty where no file is meant.

    Each `str` segment is tokenised by itself, so a part's tokens never depend on its neighbours.
    """

    kind: PartKind
    path: str
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        return "".join(s.text if isinstance(s, Marker) else s for s in self.segments)


Prompt = tuple[Part, ...]


def prompt_text(parts: Iterable[Part]) -> str:
    """The prompt as one string, markers spelled out."""
    return "".join(part.text for part in parts)
