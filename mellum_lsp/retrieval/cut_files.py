"""The texts of chunks, unpacked on demand from what the index keeps of each file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property

from mellum_lsp.domain import Chunk
from mellum_lsp.retrieval.analysis import FileEntry, PlainSpan
from mellum_lsp.workspace.outline import Outline, compress, whole_definitions

_KEEP_FILES = 256
_COMPRESSED_CHARACTERS = 2400
_WORTH_IT = 0.8
"""A compressed form that is not shorter than this part of the whole is none."""


class _Unpacked:
    """A file's parts, each unpacked when it is first wanted: most queries want one chunk of many files."""

    def __init__(self, entry: FileEntry) -> None:
        self.entry = entry  # held so that its ``id`` stays its own
        self.lines = entry.text().split("\n")
        self.spans = entry.plain_spans()

    @cached_property
    def outline(self) -> Outline:
        return self.entry.outline()

    def text(self, start: int, end: int) -> str:
        return "\n".join(self.lines[start:end])


class CutFiles:
    """Remembers the files used last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[int, _Unpacked] = OrderedDict()

    def chunk(self, entry: FileEntry, number: int) -> Chunk:
        """The chunk with this number (from 0) of a file."""
        file = self._unpacked(entry)
        start, end, _ = span = file.spans[number]
        return _chunk(file, span, end, file.text(start, end))

    def compressed(self, entry: FileEntry, number: int) -> Chunk | None:
        """What the definitions that begin in a chunk promise, up to their ends far behind it, without bodies.

        See `mellum_lsp.workspace.outline`. At most 2,400 characters; None where it would hardly be shorter.
        """
        file = self._unpacked(entry)
        start, end, _ = span = file.spans[number]
        end = whole_definitions(file.outline, start, end)
        text = _bounded(compress(file.lines, file.outline, start, end))
        whole = file.text(start, end)
        return _chunk(file, span, end, text, whole) if text and len(text) < _WORTH_IT * len(whole) else None

    def number_of(self, entry: FileEntry, chunk: Chunk) -> int | None:
        """Which of the file's chunks this is; None where it is none of them any more."""
        file = self._unpacked(entry)
        for number, (start, end, _) in enumerate(file.spans):
            if file.text(start, end) == chunk.text:
                return number
        return None

    def says(self, entry: FileEntry, text: str) -> bool:
        """Whether ``text`` stands somewhere in a file, or in its compressed form, as whole lines."""
        file = self._unpacked(entry)
        if f"\n{text}\n" in "\n".join(("", *file.lines, "")):
            return True
        return f"\n{text}\n" in f"\n{compress(file.lines, file.outline, 0, len(file.lines))}\n"

    def _unpacked(self, entry: FileEntry) -> _Unpacked:
        with self._lock:
            known = self._files.get(id(entry))
            if known is not None:
                self._files.move_to_end(id(entry))
                return known
        unpacked = _Unpacked(entry)
        with self._lock:
            self._files[id(entry)] = unpacked
            while len(self._files) > _KEEP_FILES:
                self._files.popitem(last=False)
        return unpacked


def _chunk(file: _Unpacked, span: PlainSpan, end: int, text: str, source: str = "") -> Chunk:
    start, _, header_lines = span
    scope = tuple(file.lines[line].rstrip() for line in header_lines)
    return Chunk(file.entry.path, start + 1, end, text, scope, source)


def _bounded(text: str) -> str:
    if len(text) <= _COMPRESSED_CHARACTERS:
        return text
    return text[: max(0, text.rfind("\n", 0, _COMPRESSED_CHARACTERS + 1))]
