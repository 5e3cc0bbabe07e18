"""A replay's summary told three ways: as a JSON document, as tables and as an HTML page with plots."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from mellum_lsp.bench import plots
from mellum_lsp.bench.page import Page
from mellum_lsp.bench.replay import Replayed
from mellum_lsp.bench.replay_summary import (
    PERCENTILES,
    ReplayFigures,
    ReplaySummary,
    ReplayVariant,
    is_shown,
)
from mellum_lsp.bench.report import Table, estimate, number, percent

TARGET_MS = 300.0


def document(summary: ReplaySummary) -> dict[str, Any]:
    """Everything, as JSON takes it. An estimate is ``{"value", "low", "high", "n"}``."""
    return {
        "project": summary.project,
        "sittings": summary.sittings,
        "variants": [
            {
                **msgspec.structs.asdict(one.variant),
                "minutes": round(one.minutes, 2),
                "keys": one.keys,
                "shown": one.shown,
                **{
                    name: estimate(getattr(one, name))
                    for name in ("saved", "accepted", "right", "cpu_seconds", "evaluated", "generated")
                },
                "all_p50_ms": estimate(one.all_ms[0]),
                "all_p95_ms": estimate(one.all_ms[1]),
                "model_p50_ms": estimate(one.model_ms[0]),
                "model_p95_ms": estimate(one.model_ms[1]),
                "answers": [
                    {"group": row.group, "count": row.count}
                    | {f"p{per_cent}_ms": row.milliseconds[per_cent] for per_cent in PERCENTILES}
                    for row in one.waiting
                ],
            }
            for one in summary.figures
        ],
        "differences": {name: estimate(value) for name, value in summary.differences.items()},
        "recommendation": {"settings": dict(summary.advice), "reasons": list(summary.reasons)},
    }


def headline_table(figures: Iterable[ReplayFigures]) -> Table:
    """What a variant brings, and what it costs."""
    headers = (
        "variant",
        "keys saved of 100",
        "shown",
        "of these right",
        "all p50, ms",
        "all p95, ms",
        "model p50, ms",
        "CPU s/min",
        "tokens evaluated/key",
        "generated/key",
    )
    rows = [
        [
            one.variant.name,
            number(one.saved),
            str(one.shown),
            percent(one.right),
            number(one.all_ms[0]),
            number(one.all_ms[1]),
            number(one.model_ms[0]),
            number(one.cpu_seconds),
            number(one.evaluated),
            number(one.generated),
        ]
        for one in figures
    ]
    return headers, rows


def waiting_table(figures: Iterable[ReplayFigures]) -> Table:
    """Milliseconds from request to reply, by what came of it."""
    headers = ("variant", "answers", "count", *(f"p{per_cent}" for per_cent in PERCENTILES))
    rows = [
        [one.variant.name, row.group, str(row.count), *(f"{row.milliseconds[p]:.1f}" for p in PERCENTILES)]
        for one in figures
        for row in one.waiting
    ]
    return headers, rows


def html(summary: ReplaySummary, replayed: Mapping[ReplayVariant, Sequence[Replayed]], title: str) -> str:
    """One page that works offline."""
    page = Page(title)
    minutes = sum(one.minutes for one in summary.figures)
    page.text(
        f"A simulated typist wrote pieces of {summary.sittings} files of {summary.project} again, "
        f"{minutes:.1f} minutes in all, beside the real server. Keys saved are those of a hundred that "
        "accepting suggestions made unnecessary, the Tab key counted against them; what the editor inserts "
        "by itself saves nothing. In brackets is the interval that holds a figure at 95% confidence."
    )
    page.heading("What to set")
    page.code(json.dumps(dict(summary.advice), indent=2))
    page.items(summary.reasons)
    page.heading("What it brings and what it costs")
    page.table(*headline_table(summary.figures))
    if summary.figures:
        saved = {one.variant.name: one.saved for one in summary.figures}
        page.figure(plots.svg(plots.bars(saved, "keys saved of a hundred")), "Keys saved")
    curves = {
        variant.name: [answer.milliseconds for one in all_of for answer in one.answers if is_shown(answer)]
        for variant, all_of in replayed.items()
    }
    if curves := {name: values for name, values in curves.items() if values}:
        caption = "How soon answers come that show something; silence is not counted as speed"
        page.figure(plots.svg(plots.waiting_curves(curves, TARGET_MS)), caption)
    page.heading("Every request, by what came of it")
    page.text(
        "Milliseconds from the request to its reply. Superseded requests were withdrawn by a later key."
    )
    page.table(*waiting_table(summary.figures))
    return page.html
