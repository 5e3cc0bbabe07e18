"""Which spans of a project's files to remove: by syntax, the same for the same seed.

Three kinds, told apart by what a server is asked for. *Single-line*: the caret stands on a fresh line, behind
a token or within a word, and the rest of the line is missing; half of the time the brackets that an editor
closes by itself still stand behind the caret. *Block*: a statement of several lines, or what its first line
opens. *Mid-line*: an expression within a line that goes on behind it.

A *cross-file hole* needs a name that is defined in another file of the project and occurs nowhere in the
caret's own window: from the file alone it can only be guessed.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import cycle
from typing import NamedTuple

import msgspec

from mellum_lsp.bench.project import Project, code_files
from mellum_lsp.bench.spans import SPANS, Boundary, Kind, boundary_at
from mellum_lsp.bench.syntax import Outline, Span, definitions, outline
from mellum_lsp.domain import Caret, Trigger
from mellum_lsp.retrieval.definitions import imported_names
from mellum_lsp.retrieval.strategies import end_of_first_lines, start_of_last_lines
from mellum_lsp.retrieval.tokens import identifiers
from mellum_lsp.workspace.languages import find_language

KINDS: tuple[Kind, ...] = ("single-line", "block", "single-line", "mid-line")
"""The order in which kinds are taken: half are single lines."""

WINDOW_LINES = (64, 32)
"""The caret's own window: so many lines before and behind its own; no plan shows more of the suffix."""

_FEW_FILES = 3
"""A name that more files define is nobody's name in particular."""
_TRIES = 300
_HOLES_PER_FILE = 6
_TWO_WORDS = re.compile(r"[a-z0-9][A-Z]|[^_]_[^_]")


class NoHoles(Exception):
    """A project offers no place to remove anything from."""


class Hole(msgspec.Struct, frozen=True):
    """``text[start:end]`` of a file is removed. ``id`` changes with the file's text.

    ``needs`` are the names that make it a cross-file hole, in the order of the text; empty where it is none.
    """

    id: str
    project: str
    path: str
    language: str
    kind: Kind
    boundary: Boundary
    start: int
    end: int
    needs: tuple[str, ...] = ()

    @property
    def is_cross_file(self) -> bool:
        return bool(self.needs)


class Place(NamedTuple):
    """A hole in its file as the user has it: open. ``middle`` is the text that stood there."""

    hole: Hole
    caret: Caret
    middle: str

    def caret_for(self, trigger: Trigger) -> Caret:
        """The caret as an editor asks by itself, or as a user does."""
        return replace(self.caret, trigger=trigger)


def place_of(project: Project, hole: Hole) -> Place:
    """The hole in its file, the text in it removed."""
    text = project.files[hole.path]
    caret = project.caret(hole.path, text[: hole.start] + text[hole.end :], hole.start)
    return Place(hole, caret, text[hole.start : hole.end])


def choose_holes(
    project: Project, count: int, seed: int = 0, within: Collection[str] | None = None
) -> list[Hole]:
    """The first ``count`` of the project's holes; half of them cross-file, as far as there are such.

    ``within`` names the files that they may be in, by default any.

    More holes of the same project and seed begin with the same ones. Raises `NoHoles` where there are none.
    """
    found: list[Hole] = []
    for hole in all_holes(project, seed, within):
        if len(found) >= count:
            break
        found.append(hole)
    if not found:
        raise NoHoles(
            f"no place for a hole was found in {len(project.files if within is None else within)} of the "
            f"indexed files of {project.root}.\n"
            "hint: name a folder with source code that is neither ignored nor all tests."
        )
    return found


def all_holes(project: Project, seed: int, within: Collection[str] | None = None) -> Iterator[Hole]:
    """Endless in principle; ends where the project offers no more."""
    rng = random.Random(f"holes {seed}")
    chooser = _Chooser(project, within)
    used: set[tuple[str, int]] = set()
    per_file: dict[str, int] = defaultdict(int)
    vain = 0
    in_turns = [(kind, cross_file) for cross_file in (True, False) for kind in KINDS]
    for kind, cross_file in cycle(in_turns):
        for _ in range(_TRIES):
            hole = chooser.draw(kind, rng)
            if hole is None or hole.is_cross_file is not cross_file or (hole.path, hole.start) in used:
                continue
            if per_file[hole.path] >= _HOLES_PER_FILE:
                continue
            used.add((hole.path, hole.start))
            per_file[hole.path] += 1
            vain = 0
            yield hole
            break
        else:
            vain += 1
            if vain >= len(in_turns):
                return


class _Chooser:
    """Draws single holes from a project's code."""

    def __init__(self, project: Project, within: Collection[str] | None) -> None:
        self._project = project
        self._paths = [path for path in code_files(project.files) if within is None or path in within]
        self._weights = [len(project.files[path]) ** 0.5 for path in self._paths]
        self._defined = _defined_by_file(project.files)
        self._files_defining = Counter(name for names in self._defined.values() for name in names)
        self._outline = lru_cache(maxsize=None)(self._read)

    def draw(self, kind: Kind, rng: random.Random) -> Hole | None:
        """One hole of ``kind``, None where this throw found none."""
        if not self._paths:
            return None
        path = rng.choices(self._paths, self._weights)[0]
        source = self._outline(path)
        span = SPANS[kind](source, rng)
        if span is None or not source.text[span.start : span.end].strip():
            return None
        language = find_language(path)
        key = f"{path}\0{span.start}\0{span.end}\0{source.text}"
        return Hole(
            id=hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:12],
            project=self._project.name,
            path=path,
            language=language.id if language else "plaintext",
            kind=kind,
            boundary=boundary_at(source.text, span.start),
            start=span.start,
            end=span.end,
            needs=self._needs(path, source, span),
        )

    def _read(self, path: str) -> Outline:
        language = find_language(path)
        assert language is not None
        return outline(self._project.files[path], language)

    def _needs(self, path: str, source: Outline, span: Span) -> tuple[str, ...]:
        text = source.text
        names = [w.text for w in source.words if span.start <= w.start < span.end]
        own = self._defined.get(path, frozenset())
        foreign = [n for n in dict.fromkeys(names) if self._is_of_few_files(n) and n not in own]
        if not foreign:
            return ()
        before = text[start_of_last_lines(text, span.start, WINDOW_LINES[0]) : span.start]
        behind = text[span.end : end_of_first_lines(text, span.end, WINDOW_LINES[1])]
        seen = identifiers(before) | identifiers(behind)
        imported = imported_names(text)
        return tuple(n for n in foreign if n not in seen and (n in imported or _TWO_WORDS.search(n)))

    def _is_of_few_files(self, name: str) -> bool:
        return 0 < self._files_defining[name] <= _FEW_FILES


def _defined_by_file(files: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for path in code_files(files):
        language = find_language(path)
        assert language is not None
        found[path] = frozenset(definitions(files[path], language))
    return found
