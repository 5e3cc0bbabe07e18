"""Stage `evaluate`: GGUFs on holes of held-out packages, raw and through the server's own pipeline.

``python -m training evaluate --recipe … --model NAME=PATH … --holes 300 [--served 120] [--minutes 20]``.
Answers are kept in ``reports/`` as they come: a run that was broken off or that ran out of its minutes goes
on where it was. ``reports/evaluation-N.json``, ``.md`` and ``.html`` have the figures over the holes that
all models answered, with 95% bootstrap intervals.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mellum_lsp.bench.extras import require_reports
from mellum_lsp.bench.scores import score
from mellum_lsp.bench.statistics import mean, mean_difference
from training import report, served
from training.corpus import read_documents
from training.fim import open_tokeniser
from training.holes import EvaluationHole, make_holes, read_holes, write_holes
from training.raw import Answer, Candidate, answer_all
from training.recipe import Recipe, Run

SEED = 7
Row = dict[str, float | str]
LABELS = ("kind", "boundary", "language", "lines", "needs")
FIGURES = (
    "first_line", "exact", "similarity", "chrf", "right_lines", "ended", "exact_cut", "similarity_cut",
    "length_ratio",
)  # fmt: skip


def evaluate(
    recipe: Recipe,
    run: Run,
    models: dict[str, Candidate],
    count: int,
    threads: int = 2,
    served_count: int = 0,
    minutes: float = float("inf"),
) -> dict[str, Any]:
    """Answers what is missing, in at most so many minutes; prints and writes figures.

    Raises `ReportsMissing` before it asks anything where the scores' libraries are not installed.
    """
    require_reports()
    deadline = time.monotonic() + 60 * minutes
    holes = _holes(recipe, run, count)
    answers = {
        name: answer_all(candidate, holes, run.reports / f"answers-{count}-{name}.jsonl", threads, deadline)
        for name, candidate in models.items()
    }
    rows = raw_rows(holes, answers)
    if served_count:
        folders = served.lay_out(read_documents(run.corpus / "held_out.jsonl"), run.reports / "held_out")
        runs = served.answer(folders, models, served_count, run.reports / "served", threads, deadline)
        rows |= {f"{name}, served": part for name, part in served.rows(runs, models).items()}
    figures = {
        "seed": SEED,
        "models": {name: by_group(part) for name, part in rows.items()},
        "differences": differences(rows),
    }
    target = run.reports / f"evaluation-{count}"
    target.with_suffix(".json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    target.with_suffix(".md").write_text(report.markdown(figures), encoding="utf-8")
    report.write_html(target.with_suffix(".html"), recipe.name, figures, run.metrics)
    print(report.markdown(figures, groups=("all",)), flush=True)
    return figures


def exported(recipe: Recipe, run: Run) -> dict[str, Candidate]:
    """What the run's `export` wrote: its model, or its adapter with the base, and the base alone."""
    adapter = run.export / f"{recipe.name}-lora.gguf"
    base = run.base / recipe.base.file
    if adapter.exists():
        return {recipe.name: Candidate(base, adapter), "before": Candidate(base)}
    proof = run.export / "proof.json"
    ships = json.loads(proof.read_text(encoding="utf-8"))["ships"] if proof.exists() else recipe.export.ship
    return {recipe.name: Candidate(run.export / f"{recipe.name}-{ships}.gguf")}


def _holes(recipe: Recipe, run: Run, count: int) -> list[EvaluationHole]:
    path = run.reports / f"holes-{count}.jsonl"
    if not path.exists():
        tokeniser = open_tokeniser(recipe, run)
        documents = list(read_documents(run.corpus / "held_out.jsonl"))
        write_holes(path, make_holes(documents, count, SEED, tokeniser.count))
    return read_holes(path)


def raw_rows(holes: Sequence[EvaluationHole], answers: dict[str, dict[str, Answer]]) -> dict[str, list[Row]]:
    """One row for each hole that all models answered, in the same order for all."""
    common = [hole for hole in holes if all(hole.id in known for known in answers.values())]
    return {name: [raw_row(hole, known[hole.id]) for hole in common] for name, known in answers.items()}


def raw_row(hole: EvaluationHole, answer: Answer) -> Row:
    """All models saw the window without the closers behind the caret, so all have to say them.

    The figures ``_cut`` are of as many lines as the file has: what a perfect stop policy would leave of a
    model that does not end by itself.
    """
    truth = (hole.middle + hole.closers).rstrip()
    said = answer.text.rstrip()
    cut = "\n".join(said.split("\n")[: truth.count("\n") + 1])
    after_cut = score(cut, truth, ended=True)
    return asdict(score(said, truth, ended=answer.stopped)) | {
        "exact_cut": after_cut.exact,
        "similarity_cut": after_cut.similarity,
        "length_ratio": len(said) / max(len(truth), 1),
        "kind": hole.kind,
        "boundary": hole.boundary,
        "language": hole.language,
        "lines": "single line" if "\n" not in truth else "several lines",
    }


def by_group(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Figures in all and for every value of every label, each ``(mean, low, high, n)``."""
    groups = {"all": list(rows)}
    for label in LABELS:
        for value in sorted({str(row[label]) for row in rows if label in row}):
            groups[value] = [row for row in rows if row.get(label) == value]
    return {
        name: {figure: mean([float(row[figure]) for row in part]) for figure in FIGURES if figure in part[0]}
        for name, part in groups.items()
        if part
    }


def differences(rows: dict[str, list[Row]]) -> dict[str, dict[str, Any]]:
    """Of the first model to each other one that was asked the same way, paired by hole."""
    found: dict[str, dict[str, Any]] = {}
    names = list(rows)
    for name in names[1:]:
        first = next(n for n in names if _way(n) == _way(name))
        if first != name and rows[name]:
            found[f"{first} - {name}"] = {
                figure: mean_difference(
                    [float(row[figure]) for row in rows[first]], [float(row[figure]) for row in rows[name]]
                )
                for figure in FIGURES
                if figure in rows[name][0]
            }
    return found


def _way(name: str) -> str:
    """``"model, default, served"`` → ``", default, served"``."""
    return name[name.find(", ") :] if name.endswith(", served") else ""
