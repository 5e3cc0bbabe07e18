"""The open documents as the client sees them, and the one door from LSP positions to characters.

`Document` takes changes and positions in the units and line endings of its client. It shows a text with
``\\n`` only (see `lines`) and offsets in characters; what goes back to the client is turned into its units
and line endings here too. pygls keeps documents of its own, which this server does not use: it splits lines
at characters that are no line endings to LSP, and every change costs it a pass over the whole document.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from lsprotocol import types

from mellum_lsp.lsp import positions
from mellum_lsp.lsp.lines import Lines, content_of, ending_of
from mellum_lsp.lsp.positions import Encoding
from mellum_lsp.workspace.languages import identify

log = logging.getLogger(__name__)

Change = types.TextDocumentContentChangePartial | types.TextDocumentContentChangeWholeDocument


@dataclass(frozen=True, slots=True)
class Place:
    """A position that exists, with all that an answer needs of its line, also when the document moves on.

    ``line`` counts from 0; ``character`` and ``offset`` count the characters before it on its line and in the
    whole text; ``content`` is its line without the ending, and ``ending`` the one in use there.
    """

    line: int
    character: int
    offset: int
    content: str
    ending: str
    encoding: Encoding

    @property
    def before(self) -> str:
        return self.content[: self.character]

    @property
    def after(self) -> str:
        return self.content[self.character :]

    def range(self, before: int = 0, after: int = 0) -> types.Range:
        """From ``before`` characters in front of the place to ``after`` behind it, at most its whole line."""
        start = max(self.character - before, 0)
        return types.Range(self._position(start), self._position(self.character + after))

    def with_own_endings(self, text: str) -> str:
        """``text`` with its ``\\n`` turned into the line ending in use around the place."""
        return text if self.ending == "\n" else text.replace("\n", self.ending)

    def _position(self, character: int) -> types.Position:
        return types.Position(self.line, positions.units_in(self.content[:character], self.encoding))


class Document:
    """One open text document.

    ``in_sync`` is false from a change that could not be read on until the next whole text.
    """

    def __init__(self, uri: str, language: str, version: int, text: str, encoding: Encoding) -> None:
        self.uri = uri
        self.language = language
        self.version = version
        self.in_sync = True
        self._encoding = encoding
        self._lines = Lines(positions.join_surrogates(text, encoding))

    @property
    def text(self) -> str:
        """The whole text, line endings as ``\\n``, lone surrogates as U+FFFD."""
        return self._lines.text

    @property
    def raw(self) -> str:
        """The whole text exactly as the client holds it."""
        return self._lines.raw

    @property
    def line_count(self) -> int:
        return len(self._lines)

    def change(self, changes: Sequence[Change]) -> None:
        """Apply changes in order, each seeing the result of the one before."""
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                self._replace(change.range, change.text)
            else:
                self._lines = Lines(positions.join_surrogates(change.text, self._encoding))
                self.in_sync = True

    def place(self, position: types.Position) -> Place:
        """The nearest place that exists: the line's end for a column behind it, the text's for a line."""
        line, column = self._clamp(position)
        content = content_of(self._lines[line])
        character = positions.characters_in(content, column, self._encoding)
        offset = self._lines.offset(line) + character
        return Place(line, character, offset, content, self._ending_at(line), self._encoding)

    def still_fits(self, place: Place, text: str) -> bool:
        """Whether ``text``, made for ``place``, continues what has been typed there since."""
        if place.line >= len(self._lines):
            return False
        now = content_of(self._lines[place.line])
        typed = now[place.character : len(now) - len(place.after)]
        return now == place.before + typed + place.after and text.startswith(typed)

    def _ending_at(self, line: int) -> str:
        """The line's own ending; the last line follows the one above it, an only line gets ``\\n``."""
        return ending_of(self._lines[line]) or ending_of(self._lines[max(line - 1, 0)]) or "\n"

    def _replace(self, range_: types.Range, text: str) -> None:
        start, end = sorted((self._clamp(range_.start), self._clamp(range_.end)))
        last = self._lines[end[0]]
        before, _ = positions.split_at(content_of(self._lines[start[0]]), start[1], self._encoding)
        _, after = positions.split_at(content_of(last), end[1], self._encoding)
        replacement = positions.join_surrogates(f"{before}{text}{after}{ending_of(last)}", self._encoding)
        self._lines.replace(start[0], end[0], replacement)

    def _clamp(self, position: types.Position) -> tuple[int, int]:
        """Line and column (in units); the column may still lie behind the line's end."""
        if position.line >= len(self._lines):
            last = len(self._lines) - 1
            return last, positions.units_in(self._lines[last], self._encoding)
        return max(position.line, 0), max(position.character, 0)


class Documents:
    """All open documents by URI. Percent-encoding does not matter: clients are not of one mind about it."""

    def __init__(self, encoding: Encoding = Encoding.UTF16) -> None:
        self.encoding = encoding
        self._documents: dict[str, Document] = {}

    def __iter__(self) -> Iterator[Document]:
        return iter(self._documents.values())

    def get(self, uri: str) -> Document | None:
        return self._documents.get(unquote(uri))

    def open(self, item: types.TextDocumentItem) -> Document:
        uri = unquote(item.uri)
        language = identify(item.language_id, uri)
        document = Document(item.uri, language, item.version, item.text, self.encoding)
        self._documents[uri] = document
        return document

    def change(self, uri: str, version: int, changes: Sequence[Change]) -> Document | None:
        """The changed document, or None where none is open under ``uri``. Versions may jump."""
        document = self.get(uri)
        if document is None:
            log.warning("ignored a change of a document that is not open: %s", uri)
            return None
        document.change(changes)
        document.version = version
        return document

    def close(self, uri: str) -> Document | None:
        """The document that was closed, None where none was open."""
        return self._documents.pop(unquote(uri), None)
