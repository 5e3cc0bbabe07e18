"""Holes to judge raw models by: those of `mellum_lsp.bench` in held-out files, each with its window."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, zip_longest
from pathlib import Path

from mellum_lsp.bench.holes import Place, all_holes, place_of
from mellum_lsp.bench.project import Project
from mellum_lsp.prompt.windows import Count, cut, fit
from training.corpus import Document

PREFIX_TOKENS, SUFFIX_TOKENS = 200, 64


@dataclass(frozen=True)
class EvaluationHole:
    """One hole. ``prefix`` + caret + ``closers`` + ``suffix`` is what every model sees of the file."""

    id: str
    package: str
    path: str
    kind: str
    boundary: str
    prefix: str
    suffix: str
    closers: str
    middle: str
    language: str = "python"


def make_holes(documents: Iterable[Document], count: int, seed: int, tokens: Count) -> list[EvaluationHole]:
    """``count`` holes or all there are, packages in equal parts; the same for the same seed."""
    places = zip_longest(*(_places(project, seed) for project in _projects(documents)))
    found = (place for one_of_each in places for place in one_of_each if place)
    return [_windowed(place, tokens) for place in islice(found, count)]


def _projects(documents: Iterable[Document]) -> list[Project]:
    packages: dict[str, dict[str, str]] = defaultdict(dict)
    for document in documents:
        packages[document.package][document.path] = document.text
    return [Project(name, Path("/") / name, files) for name, files in sorted(packages.items())]


def _places(project: Project, seed: int) -> Iterator[Place]:
    return (place_of(project, hole) for hole in all_holes(project, seed))


def _windowed(place: Place, tokens: Count) -> EvaluationHole:
    hole, text, offset = place.hole, place.caret.text, place.caret.offset
    window = cut(text, offset, fit(text, offset, PREFIX_TOKENS, SUFFIX_TOKENS, tokens))
    return EvaluationHole(
        hole.id,
        hole.project,
        hole.path,
        hole.kind,
        hole.boundary,
        window.prefix,
        window.suffix,
        window.closers,
        place.middle,
        hole.language,
    )


def write_holes(path: Path, holes: Sequence[EvaluationHole]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(h)) + "\n" for h in holes), encoding="utf-8")


def read_holes(path: Path) -> list[EvaluationHole]:
    return [EvaluationHole(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
