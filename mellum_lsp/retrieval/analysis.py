"""From texts to what the index keeps of them: a pure function that gives arrays and bytes, cheap to send."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mellum_lsp.retrieval.definitions import defined_names
from mellum_lsp.retrieval.postings import Segment, segment_of_pairs
from mellum_lsp.retrieval.tokens import line_numbers, token_numbers, word_id
from mellum_lsp.workspace.chunks import Span, cut_tree
from mellum_lsp.workspace.languages import find_language
from mellum_lsp.workspace.outline import Cut, Outline, find_outline
from mellum_lsp.workspace.parsing import parse
from mellum_lsp.workspace.settings import IndexSettings

ANALYSIS_VERSION = 3
"""To be raised with every change of what is kept of a text: chunks, outlines, tokens, names, secrets."""

_ENCODER = msgspec.msgpack.Encoder()
PlainSpan = tuple[int, int, tuple[int, ...]]
_SPANS = msgspec.msgpack.Decoder(list[PlainSpan])
_OUTLINE = msgspec.msgpack.Decoder(
    tuple[tuple[tuple[tuple[int, int], tuple[int, int], str], ...], tuple[tuple[int, int], ...]]
)


class Stamp(NamedTuple):
    """What tells whether a file on disk is still the one that was read; zeros for texts not from disk."""

    size: int = 0
    modified_ns: int = 0


class Source(NamedTuple):
    """A text to be indexed; the path is relative to its folder, with ``/``. ``plain``: no syntax."""

    path: str
    text: str
    stamp: Stamp = Stamp()
    plain: bool = False


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: its text (deflated), where its chunks lie in it, and what a compressed form leaves out.

    ``text_bytes`` counts the text's UTF-8.
    """

    path: str
    stamp: Stamp
    text_bytes: int
    chunks: int
    packed_text: bytes
    packed_spans: bytes
    packed_outline: bytes

    def text(self) -> str:
        return zlib.decompress(self.packed_text).decode("utf-8", "replace")

    def plain_spans(self) -> list[PlainSpan]:
        """The fields of the `Span` of every chunk: a query wants few of them as such."""
        return _SPANS.decode(self.packed_spans)

    def spans(self) -> list[Span]:
        return [Span(*plain) for plain in self.plain_spans()]

    def outline(self) -> Outline:
        cuts, extents = _OUTLINE.decode(self.packed_outline)
        return Outline(tuple(Cut(*cut) for cut in cuts), extents)


@dataclass(frozen=True, slots=True)
class SetTable:
    """The term sets of a batch's chunks (numbered from 0): which chunks hold a term, and the sets' sizes."""

    segment: Segment
    sizes: npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Files with their chunks' term sets; the chunks are numbered through the files in order."""

    files: tuple[FileEntry, ...]
    tokens: SetTable
    lines: SetTable
    names: SetTable

    @property
    def chunks(self) -> int:
        return len(self.tokens.sizes)


def analyse(sources: Iterable[Source], settings: IndexSettings) -> Batch:
    """Cuts and tokenises. Pure, and never raises on broken text."""
    files: list[FileEntry] = []
    tokens, lines, names = _Sets(), _Sets(), _Sets()
    for source in sources:
        language = None if source.plain else find_language(source.path)
        root = parse(source.text, language, settings.parse_ms / 1000)
        all_lines = source.text.split("\n")
        spans = cut_tree(all_lines, root, settings)
        for span in spans:
            own = all_lines[span.start : span.end]
            text = "\n".join(own)
            tokens.add(token_numbers(text))
            lines.add(line_numbers(own))
            names.add(map(word_id, defined_names(text)))
        files.append(_entry(source, spans, find_outline(all_lines, root, language)))
    return Batch(tuple(files), tokens.table(), lines.table(), names.table())


class _Sets:
    """The term sets of chunks one after the other, in one list: much faster than an array for each."""

    def __init__(self) -> None:
        self._terms: list[int] = []
        self._ends = [0]

    def add(self, terms: Iterable[int]) -> None:
        """The terms of the next chunk, in any order, some perhaps twice."""
        self._terms.extend(terms)
        self._ends.append(len(self._terms))

    def table(self) -> SetTable:
        ends = np.array(self._ends, np.int64)
        lengths = ends[1:] - ends[:-1]
        chunk_ids = np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)
        segment = segment_of_pairs(np.array(self._terms, np.uint32), chunk_ids)
        sizes = np.bincount(segment.chunk_ids, minlength=len(lengths)).astype(np.uint32)
        return SetTable(segment, sizes)


def _entry(source: Source, spans: list[Span], outline: Outline) -> FileEntry:
    encoded = source.text.encode("utf-8", "replace")
    return FileEntry(
        source.path,
        source.stamp,
        len(encoded),
        len(spans),
        packed_text=zlib.compress(encoded, 1),
        packed_spans=_ENCODER.encode([(span.start, span.end, span.scope) for span in spans]),
        packed_outline=_ENCODER.encode((outline.cuts, outline.extents)),
    )
