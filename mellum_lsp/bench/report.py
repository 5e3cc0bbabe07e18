"""A summary told three ways: as a JSON document, as Markdown tables and as an HTML page with plots."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from mellum_lsp.bench import plots
from mellum_lsp.bench.gates import AtGate
from mellum_lsp.bench.page import Page
from mellum_lsp.bench.scores import FIGURES
from mellum_lsp.bench.statistics import Estimate
from mellum_lsp.bench.summary import Difference, Figures, Gates, Summary

_HEADERS = {
    "exact": "exact",
    "first_line": "first line",
    "chrf": "chrF++",
    "similarity": "similarity",
    "right_lines": "right lines",
    "ended": "ended",
}

Table = tuple[Sequence[str], list[list[str]]]
"""Headers and rows."""

_SHOWN_GATES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
"""The points of the trade-off that a table has room for."""


def document(summary: Summary) -> dict[str, Any]:
    """Everything, as JSON takes it. An estimate is ``{"value", "low", "high", "n"}``."""
    return {
        "holes": summary.holes,
        "projects": list(summary.projects),
        "figures": [
            {
                **_variant(one),
                "group": one.group,
                **{name: estimate(value) for name, value in one.values.items()},
                "supplied": estimate(one.supplied),
                "milliseconds": one.milliseconds,
            }
            for one in summary.figures
        ],
        "differences": [
            {
                **_variant(one),
                "against": {"model": one.against.model, "context": one.against.context},
                "group": one.group,
                "chrf_ratio": estimate(one.chrf),
                "exact_difference": estimate(one.exact),
            }
            for one in summary.differences
        ],
        "gates": [
            {
                **_variant(one),
                "group": one.group,
                "default": _at_gate(one.default),
                "curve": [_at_gate(point) for point in one.curve],
                "calibration": [
                    {"predicted": bin_.predicted, "observed": estimate(bin_.observed)}
                    for bin_ in one.calibration
                ],
            }
            for one in summary.gates
        ],
        "recommendation": {"settings": dict(summary.advice), "reasons": list(summary.reasons)},
    }


def quality_table(figures: Iterable[Figures], columns: Sequence[str] = FIGURES) -> Table:
    """Quality without a gate, of ``columns`` of `FIGURES`; shares in percent."""
    headers = ("model", "context", "holes", "n", *(_HEADERS[name] for name in columns), "needs supplied")
    rows = [
        [
            *(one.variant.model, one.variant.context, one.group, str(one.values["exact"].n)),
            *(number(one.values[c]) if c == "chrf" else percent(one.values[c]) for c in columns),
            percent(one.supplied) if one.supplied.n else "",
        ]
        for one in figures
    ]
    return headers, rows


def difference_table(differences: Iterable[Difference]) -> Table:
    """What a context or a model brings against another, on the same holes."""
    headers = ("model", "context", "against", "holes", "n", "chrF++", "exact, points")
    rows = [
        [
            *(one.variant.model, one.variant.context, one.rival, one.group, str(one.chrf.n)),
            percent(one.chrf, signed=True),
            percent(one.exact, signed=True),
        ]
        for one in differences
    ]
    return headers, rows


def gate_table(
    gates: Iterable[Gates], marks: Sequence[float] = _SHOWN_GATES, intervals: bool = True
) -> Table:
    """The trade-off in figures at some gates, and by the settings as they are."""
    headers = ("model", "context", "holes", "gate", "shown", "of these right", "characters right", "wrong")
    rows = []
    for one in gates:
        points = [(f"{point.threshold:g}", point) for point in one.curve if point.threshold in marks]
        for label, point in [*points, ("as set", one.default)]:
            rows.append(
                [
                    *(one.variant.model, one.variant.context, one.group, label),
                    percent(point.shown),
                    percent(point.right) if point.right.n else "",
                    number(point.right_characters),
                    number(point.wrong_characters),
                ]
            )
    if not intervals:
        rows = [[cell.partition(" [")[0] for cell in row] for row in rows]
    return headers, rows


def markdown(table: Table) -> str:
    """The table as Markdown."""
    headers, rows = table
    lines = [_row(headers), _row(["---"] * len(headers)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def html(summary: Summary, title: str) -> str:
    """One page that works offline."""
    page = Page(title)
    page.text(
        f"{summary.holes} spans were removed from {', '.join(summary.projects)} and completed again. Figures "
        "are means; in brackets is the interval that holds them at 95% confidence, over holes."
    )
    page.heading("What to set")
    page.code(json.dumps(dict(summary.advice), indent=2))
    page.items(summary.reasons)
    page.heading("Quality without a gate")
    page.table(*quality_table(one for one in summary.figures if one.group in ("all", "cross-file")))
    for group in ("all", "cross-file"):
        values = {one.variant.name: one.values["chrf"] for one in summary.figures if one.group == group}
        if values:
            page.figure(plots.svg(plots.bars(values, f"chrF++, {group} holes")), f"chrF++, {group} holes")
    if summary.differences:
        page.heading("Against each other, on the same holes")
        page.table(*difference_table(summary.differences))
    page.heading("Behind the gate")
    overall = [one for one in summary.gates if one.group == "all"]
    if overall:
        page.table(*gate_table(overall))
        curves = {one.variant.name: one.curve for one in overall}
        page.figure(plots.svg(plots.trade_off(curves)), "What each gate shows, and how much of it is right")
        calibrations = {one.variant.name: one.calibration for one in overall}
        page.figure(
            plots.svg(plots.reliability(calibrations)), "How well the models know when they are right"
        )
    page.heading("By kind of hole and language")
    page.table(*quality_table(one for one in summary.figures if one.group not in ("all", "cross-file")))
    page.table(*gate_table(one for one in summary.gates if one.group != "all"))
    return page.html


def percent(estimate: Estimate, signed: bool = False) -> str:
    """A share in percent with its interval."""
    form = "{:+.0f}" if signed else "{:.0f}"
    value, low, high = (form.format(100 * part) for part in estimate[:3])
    return f"{value}% [{low}, {high}]"


def number(estimate: Estimate) -> str:
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"


def _variant(one: Figures | Difference | Gates) -> dict[str, Any]:
    return msgspec.structs.asdict(one.variant)


def estimate(value: Estimate) -> dict[str, float]:
    return {name: round(part, 4) for name, part in value._asdict().items()}


def _at_gate(point: AtGate) -> dict[str, Any]:
    return {
        name: estimate(Estimate(*value)) if isinstance(value, tuple) else value
        for name, value in asdict(point).items()
    }


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
