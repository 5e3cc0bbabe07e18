"""Models asked as users ask them: through the server's own pipeline, with and without project context.

The held-out packages are laid out as workspaces; holes, runner and scores are those of `mellum_lsp.bench`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from mellum_lsp.bench.answers import Variant
from mellum_lsp.bench.holes import Hole, NoHoles, choose_holes
from mellum_lsp.bench.project import Project
from mellum_lsp.bench.runner import Run as BenchRun
from mellum_lsp.bench.scores import judged, score_verdict
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger
from training.corpus import Document
from training.raw import Candidate

MIXES = ("none", "default")
CONTEXT_TOKENS = 1024
SEED = 7


def lay_out(documents: Iterable[Document], root: Path) -> list[Path]:
    """Writes each package's files below a folder of its name; returns those folders."""
    folders: set[Path] = set()
    for document in documents:
        path = root / document.package / document.path
        folders.add(root / document.package)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(document.text, encoding="utf-8")
    return sorted(folders)


def answer(
    folders: Sequence[Path],
    models: dict[str, Candidate],
    count: int,
    answers: Path,
    threads: int,
    deadline: float = float("inf"),
) -> list[BenchRun]:
    """Has every model fill ``count`` holes, in equal parts of all projects; goes on with what is missing.

    Returns the runs, whose answers may be incomplete where ``deadline`` (of `time.monotonic`) came first.
    """
    runs: list[BenchRun] = []
    share = -(-count // len(folders))
    for folder in folders:
        project = Project.read(folder)
        try:
            holes: list[Hole] = choose_holes(project, share, SEED)
        except NoHoles:
            continue
        runs.append(BenchRun(project, holes, answers / project.name, deadline=deadline))
    for name, candidate in models.items():
        variants = [Variant(name, mix, CONTEXT_TOKENS) for mix in MIXES]
        for run in runs:
            if time.monotonic() < deadline:
                asyncio.run(_answer(run, variants, candidate, threads))
    return runs


async def _answer(run: BenchRun, variants: Sequence[Variant], candidate: Candidate, threads: int) -> None:
    async with candidate.served(threads) as engine:
        await run.answer(variants, engine, lambda done, total: None)


def rows(runs: Sequence[BenchRun], models: Iterable[str]) -> dict[str, list[dict[str, float | str]]]:
    """Per variant one row a hole that all variants answered: its labels and its scores.

    Scored is what the pipeline makes of a generation without a gate: stop policy and rules.
    """
    variants = [Variant(name, mix, CONTEXT_TOKENS) for name in models for mix in MIXES]
    found: dict[str, list[dict[str, float | str]]] = {variant.name: [] for variant in variants}
    for run in runs:
        answers = {variant: run.answers(variant) for variant in variants}
        for place in run.places().values():
            if not all(place.hole.id in known for known in answers.values()):
                continue
            labels = {
                "kind": place.hole.kind,
                "boundary": place.hole.boundary,
                "language": place.caret.language,
                "needs": "cross-file" if place.hole.is_cross_file else "in-file",
            }
            for variant, known in answers.items():
                given = known[place.hole.id]
                verdict = judged(place, given.generated(), CompletionSettings(), Trigger.INVOKED)
                scores = asdict(score_verdict(place, verdict, given.stop))
                found[variant.name].append(labels | scores | {"length": float(len(verdict.text.rstrip()))})
    return found
