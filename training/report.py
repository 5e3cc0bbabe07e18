"""An evaluation as Markdown and as one HTML page with plots, which needs nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mellum_lsp.bench import plots
from mellum_lsp.bench.page import Page
from mellum_lsp.bench.statistics import Estimate

_SHOWN = {
    "first_line": "first line exact",
    "exact": "exact",
    "similarity": "edit similarity",
    "chrf": "chrF++",
    "right_lines": "right lines",
    "ended": "stop rate",
    "exact_cut": "exact, cut",
    "similarity_cut": "similarity, cut",
    "length_ratio": "length",
}
_DRAWN = ("first_line", "exact", "similarity", "ended")
_HEADERS = ("model", "holes", "n", *_SHOWN.values())


def markdown(figures: dict[str, Any], groups: Sequence[str] | None = None) -> str:
    """Tables of all models, of ``groups`` alone where they are named."""
    lines = [f"| {' | '.join(_HEADERS)} |", f"| --- | --- | ---: |{' --- |' * len(_SHOWN)}"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(figures, groups)]
    return "\n".join(lines) + "\n"


def write_html(path: Path, title: str, figures: dict[str, Any], metrics: Path) -> None:
    """Needs the extra ``reports``."""
    page = Page(f"Evaluation of {title}")
    page.heading("All holes")
    for figure in _DRAWN:
        values = {name: Estimate(*by["all"][figure]) for name, by in figures["models"].items() if "all" in by}
        page.figure(plots.svg(plots.bars(values, _SHOWN[figure])), f"{_SHOWN[figure]}, with 95% intervals")
    if metrics.exists():
        page.heading("Learning curve")
        page.figure(plots.svg(_learning_curve(metrics)), "loss on middles over tokens")
    page.heading("All figures")
    page.text("Mean and 95% interval; differences are paired by hole.")
    page.table(_HEADERS, _rows(figures))
    path.write_text(page.html, encoding="utf-8")


def write_curve(metrics: Path, target: Path) -> None:
    """The learning curve as a PNG; nothing where matplotlib is not installed or there is nothing to draw."""
    if metrics.exists() and find_spec("matplotlib"):
        plots.save_png(_learning_curve(metrics), target)


def _rows(figures: dict[str, Any], groups: Sequence[str] | None = None) -> Iterator[list[str]]:
    for name, by_group in figures["models"].items():
        for group, row in by_group.items():
            if groups is None or group in groups:
                yield [name, group, str(row["exact"][3]), *_cells(row)]
    for pair, row in figures["differences"].items():
        yield [pair, "difference", str(row["exact"][3]), *_cells(row)]


def _cells(row: dict[str, Sequence[float]]) -> list[str]:
    return [_cell(row[figure]) if figure in row else "" for figure in _SHOWN]


def _cell(estimate: Sequence[float]) -> str:
    value, low, high, _ = estimate
    digits = 1 if abs(high) > 2 else 3
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _learning_curve(metrics: Path) -> Any:
    events = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    series = {
        kind: [(event["tokens"], event[key]) for event in events if event["event"] == kind]
        for kind, key in (("step", "middle_loss"), ("validation", "validation_loss"))
    }
    return plots.curves(series, "tokens", "loss on middles (nats a token)")
