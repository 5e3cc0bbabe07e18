"""Holes to judge models by: removed spans of files that no training has seen, and the window around them."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mellum_lsp.prompt.windows import Count, cut, fit
from training.corpus import Document
from training.fim import is_test, parse_document
from training.middles import Limits, choose

KINDS = {"statement_rest": 0.45, "fresh_line": 0.25, "node": 0.30}
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


def make_holes(documents: Sequence[Document], count: int, seed: int, tokens: Count) -> list[EvaluationHole]:
    """``count`` holes, packages in equal parts; the same for the same seed."""
    rng = random.Random(f"holes {seed}")
    packages: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        if not is_test(document.path):
            packages[document.package].append(document)
    names = sorted(packages)
    holes: list[EvaluationHole] = []
    while len(holes) < count:
        package = names[len(holes) % len(names)]
        document = rng.choice(packages[package])
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        source = parse_document(document)
        hole = choose(source, kind, Limits(), rng) if source else None
        if hole is None:
            continue
        text = document.text[: hole.start] + document.text[hole.end :]
        window = cut(text, hole.start, fit(text, hole.start, PREFIX_TOKENS, SUFFIX_TOKENS, tokens))
        holes.append(
            EvaluationHole(
                f"{len(holes):04d}",
                package,
                document.path,
                hole.kind,
                hole.boundary,
                window.prefix,
                window.suffix,
                window.closers,
                document.text[hole.start : hole.end],
                document.language,
            )
        )
    return holes


def write_holes(path: Path, holes: Sequence[EvaluationHole]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(h)) + "\n" for h in holes), encoding="utf-8")


def read_holes(path: Path) -> list[EvaluationHole]:
    return [EvaluationHole(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
