"""The ways to find chunks for a caret: each a small class that produces numbers of chunks with scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

from mellum_lsp.domain import Caret
from mellum_lsp.retrieval.definitions import imported_names, used_names
from mellum_lsp.retrieval.iou import IouIndex
from mellum_lsp.retrieval.postings import Terms
from mellum_lsp.retrieval.tokens import identifiers, line_ids, token_ids, word_id

if TYPE_CHECKING:
    from mellum_lsp.retrieval.analysis import FileEntry
    from mellum_lsp.retrieval.project import View

_NAME_LINES = 12
_IMPORT_CHARACTERS = 8000
_MANY_DEFINITIONS = 8
_CHUNKS_OF_A_NEAR_FILE = 4
_RECENT_CHUNKS = 16
_MANY_HOLDERS = 64
_UNUSED_IMPORT = 0.2
"""What an imported name counts that is not used near the caret: it was wanted somewhere in the file."""


def start_of_last_lines(text: str, offset: int, lines: int) -> int:
    """Where the ``lines`` lines in front of the line of ``offset`` begin."""
    start = offset
    for _ in range(lines + 1):
        start = text.rfind("\n", 0, start)
        if start < 0:
            return 0
    return start + 1


def end_of_first_lines(text: str, offset: int, lines: int) -> int:
    """Where the ``lines`` lines behind the line of ``offset`` end."""
    end = offset - 1
    for _ in range(lines + 1):
        end = text.find("\n", end + 1)
        if end < 0:
            return len(text)
    return end


def window(caret: Caret, lines_before: int, lines_after: int) -> str:
    """The caret's line with so many lines in front of it and behind it."""
    text, offset = caret.text, caret.offset
    return text[
        start_of_last_lines(text, offset, lines_before) : end_of_first_lines(text, offset, lines_after)
    ]


class Surroundings:
    """What the strategies look at: a few whole lines around the caret's own, as text and as sets."""

    def __init__(self, caret: Caret, lines_before: int, lines_after: int) -> None:
        self.caret = caret
        self.window = window(caret, lines_before, lines_after)

    @cached_property
    def tokens(self) -> Terms:
        return token_ids(self.window)

    @cached_property
    def lines(self) -> Terms:
        return line_ids(self.window.split("\n"))

    @cached_property
    def names(self) -> dict[str, float]:
        """Identifiers near the caret with their weights, imported ones that are used there heavier."""
        text, offset = self.caret.text, self.caret.offset
        names = used_names(text[start_of_last_lines(text, offset, _NAME_LINES) : offset])
        return {name: weight + (0.3 if name in self.imports else 0.0) for name, weight in names.items()}

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Imported names with the words of the lines that import them."""
        return imported_names(self.caret.text[:_IMPORT_CHARACTERS])


class Strategy(Protocol):
    """Stateless: the state is the view of the index and the caret's surroundings."""

    def find(self, view: View, around: Surroundings, limit: int) -> Iterator[tuple[int, float]]:
        """Numbers of chunks with scores from 0 to about 1, best first."""


class TokenIou:
    """Intersection over union of lexical tokens: identifiers and the words that they are made of.

    Of 403 names that held-out lines of three Python packages needed and the window did not show, prompts of
    1,800 tokens held 178 by these tokens, 160 by identifiers alone and 150 by the tokens of a model's BPE
    vocabulary (that of SmolLM2), which break names at places that say nothing and would need the model.
    """

    def find(self, view: View, around: Surroundings, limit: int) -> Iterator[tuple[int, float]]:
        scores = dict(_best(view.tokens, around.tokens, limit))
        # In a large project they would hardly be among so few, however well they suit.
        scores.update(RecentIou().find(view, around, _RECENT_CHUNKS))
        return _ordered(scores, len(scores))


class RecentIou:
    """The same for files that are open in the editor or were lately, whatever the others hold."""

    def find(self, view: View, around: Surroundings, limit: int) -> Iterator[tuple[int, float]]:
        wanted = frozenset(around.tokens.tolist())
        scores: dict[int, float] = {}
        for key in view.recent() - {(around.caret.root, around.caret.path)}:
            place = view.places.get(key)
            if place is None:
                continue
            placed = view.files[place]
            for number, terms in enumerate(_token_sets(placed.entry)):
                shared = len(wanted & terms)
                if shared:
                    scores[placed.first_chunk + number] = shared / (len(wanted) + len(terms) - shared)
        return _ordered(scores, limit)


class LineIou:
    """Intersection over union of whole lines, spaces aside."""

    def find(self, view: View, around: Surroundings, limit: int) -> Iterator[tuple[int, float]]:
        return _best(view.lines, around.lines, limit)


class Definitions:
    """Chunks that define a name used just before the caret; names with few definitions count most."""

    def find(self, view: View, around: Surroundings, limit: int) -> Iterator[tuple[int, float]]:
        scores: dict[int, float] = {}
        for name, weight in around.names.items():
            chunks = view.names.holders(word_id(name))
            if 0 < len(chunks) <= _MANY_DEFINITIONS:
                for chunk in chunks.tolist():
                    scores[chunk] = scores.get(chunk, 0.0) + weight / len(chunks)
        return _ordered(scores, limit)


class Imports:
    """Chunks that define an imported name, in the file that the import names; used near the caret first."""

    def find(self, view: View, around: Surroundings, limit: int) -> Iterator[tuple[int, float]]:
        scores: dict[int, float] = {}
        for name, words in around.imports.items():
            weight = around.names.get(name, _UNUSED_IMPORT)
            for chunk in _meant(view, view.names.holders(word_id(name)).tolist()[:_MANY_HOLDERS], words):
                scores[chunk] = scores.get(chunk, 0.0) + weight
        return _ordered(scores, limit)


class PathDistance:
    """The files in the nearest folders, from their beginnings, whatever is in them."""

    def find(self, view: View, around: Surroundings, limit: int) -> Iterator[tuple[int, float]]:
        caret = around.caret
        tree = view.trees.get(caret.root)
        found = 0
        for path, steps in tree.nearest(caret.path) if tree is not None else ():
            place = view.places.get((caret.root, path))
            if place is None:
                continue
            placed = view.files[place]
            for number in range(min(placed.entry.chunks, _CHUNKS_OF_A_NEAR_FILE)):
                yield placed.first_chunk + number, 1 / (1 + steps + number / _CHUNKS_OF_A_NEAR_FILE)
                found += 1
                if found >= limit:
                    return


STRATEGIES: dict[str, Strategy] = {
    "tokens": TokenIou(),
    "recent": RecentIou(),
    "lines": LineIou(),
    "definitions": Definitions(),
    "imports": Imports(),
    "path_distance": PathDistance(),
}


def _meant(view: View, chunks: Iterable[int], words: set[str]) -> list[int]:
    """The chunks of the files that an import line with these ``words`` names, else of the folders."""
    of_files, of_folders = [], []
    for chunk in chunks:
        place = int(view.file_of_chunk[chunk]) if chunk < len(view.file_of_chunk) else -1
        if place < 0:
            continue
        *folders, file = view.files[place].entry.path.split("/")
        stem, folder = identifiers(file.partition(".")[0]), identifiers(folders[-1] if folders else "")
        if stem and stem <= words:
            of_files.append(chunk)
        elif folder and folder <= words:
            of_folders.append(chunk)
    return of_files or of_folders


def _ordered(scores: dict[int, float], limit: int) -> Iterator[tuple[int, float]]:
    """The best ``limit``, scores up to 1, equal ones by number."""
    best = sorted(scores.items(), key=lambda one: (-one[1], one[0]))[:limit]
    return ((chunk, min(1.0, score)) for chunk, score in best)


@lru_cache(maxsize=64)
def _token_sets(entry: FileEntry) -> list[frozenset[int]]:
    """The token sets of a file's chunks, which the index keeps only by token."""
    lines = entry.text().split("\n")
    return [frozenset(token_ids("\n".join(lines[span.start : span.end])).tolist()) for span in entry.spans()]


def _best(index: IouIndex, terms: Terms, limit: int) -> Iterator[tuple[int, float]]:
    chunks, scores = index.top(terms, limit)
    return zip(chunks.tolist(), scores.tolist(), strict=True)
