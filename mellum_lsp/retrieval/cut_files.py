"""The texts of chunks, unpacked on demand from what the index keeps of each file."""

from __future__ import annotations

import threading
from collections import OrderedDict

from mellum_lsp.domain import Chunk
from mellum_lsp.retrieval.analysis import FileEntry
from mellum_lsp.workspace.chunks import Span

_KEEP_FILES = 256


class CutFiles:
    """Remembers the files used last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[int, tuple[FileEntry, list[str], list[Span]]] = OrderedDict()

    def chunk(self, entry: FileEntry, number: int) -> Chunk:
        """The chunk with this number (from 0) of a file."""
        lines, spans = self._unpacked(entry)
        span = spans[number]
        return Chunk(
            entry.path,
            span.start + 1,
            span.end,
            "\n".join(lines[span.start : span.end]),
            tuple(lines[line].rstrip() for line in span.scope),
        )

    def holds(self, entry: FileEntry, text: str) -> bool:
        """Whether ``text`` stands somewhere in a file, as whole lines."""
        lines, _ = self._unpacked(entry)
        return f"\n{text}\n" in "\n".join(("", *lines, ""))

    def _unpacked(self, entry: FileEntry) -> tuple[list[str], list[Span]]:
        with self._lock:
            known = self._files.get(id(entry))
            if known is not None:
                self._files.move_to_end(id(entry))
                return known[1], known[2]
        lines, spans = entry.text().split("\n"), entry.spans()
        with self._lock:
            self._files[id(entry)] = (entry, lines, spans)  # holding the entry keeps its id its own
            while len(self._files) > _KEEP_FILES:
                self._files.popitem(last=False)
        return lines, spans
