"""``mellum-lsp stats``: what completion was worth, counted on this machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from mellum_lsp.cli.output import Failure, json_option, print_json, reported_failures
from mellum_lsp.cli.preferences import clear_preferences, export_preferences

if TYPE_CHECKING:
    from mellum_lsp.feedback.events import Event
    from mellum_lsp.feedback.metrics import Metrics

_COLUMNS = {
    "shown": "shown",
    "acceptance_rate": "accepted",
    "ratio_of_completed_code": "RoCC",
    "kept_after_30_s": "kept 30 s",
    "kept_after_5_min": "kept 5 min",
    "latency_p50_ms": "p50 ms",
    "latency_p95_ms": "p95 ms",
}


@click.group(invoke_without_command=True)
@click.option("--days", type=click.IntRange(1), help="Only the last so many days.")
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with plots."
)
@json_option
@click.pass_context
def stats(context: click.Context, days: int | None, page: Path | None, as_json: bool) -> None:
    """Show how suggestions were received: accepted, kept, typed through, and the time to answer.

    Counted on this machine only, without a word of source text. RoCC is the share of all written characters
    that completion inserted. `mellum-lsp stats clear` forgets everything; the setting `feedback` stops it.

    Example: mellum-lsp stats --html stats.html
    """
    if context.invoked_subcommand:
        return
    events = _events(days)
    if as_json:
        print_json(_document(events))
        return
    if page:
        with reported_failures():
            _write_page(events, page)
        click.echo(f"written: {page}")
        return
    _tell(events)


@stats.command()
@json_option
def clear(as_json: bool) -> None:
    """Forget everything that was counted so far.

    Example: mellum-lsp stats clear
    """
    from mellum_lsp.feedback.store import FeedbackStore, default_path

    try:
        forgotten = FeedbackStore().clear()
    except (sqlite3.Error, OSError) as error:
        raise Failure(
            f"{default_path()} cannot be changed: {error}", "end the editors that use it"
        ) from error
    if as_json:
        print_json({"forgotten_events": forgotten})
    else:
        click.echo(f"{forgotten} events are forgotten")


for command in (export_preferences, clear_preferences):
    stats.add_command(command)


def _events(days: int | None) -> list[Event]:
    import time

    from mellum_lsp.feedback.store import FeedbackStore

    since = time.time() - days * 24 * 3600 if days else 0.0
    return [event for event in FeedbackStore().read() if event.at >= since]


def _groups(events: Sequence[Event]) -> dict[str, dict[str, Metrics]]:
    from mellum_lsp.feedback import metrics

    return {
        "language": metrics.by(metrics.language_of, events),
        "model": metrics.by(metrics.model_of, events),
        "kind": metrics.by(metrics.kind_of, events),
        "form": metrics.by(metrics.form_of, events),
        "source": metrics.by(metrics.source_of, events),
    }


def _document(events: Sequence[Event]) -> dict[str, Any]:
    from mellum_lsp.feedback.metrics import overall
    from mellum_lsp.feedback.store import default_path

    groups = {
        name: {key: asdict(value) for key, value in group.items()} for name, group in _groups(events).items()
    }
    return {"path": default_path(), "overall": asdict(overall(events)), "by": groups}


def _tell(events: Sequence[Event]) -> None:
    from mellum_lsp.feedback.metrics import overall

    console = Console(highlight=False)
    everything = overall(events)
    if not everything.shown:
        console.print("Nothing was counted yet: suggestions are, as soon as an editor shows some.")
        return
    table = Table("", *_COLUMNS.values(), box=None)
    table.add_row("all", *_row(everything))
    for name, group in _groups(events).items():
        if len(group) > 1:
            table.add_section()
            for key, values in group.items():
                table.add_row(f"{name} {key}", *_row(values))
    console.print(table)
    console.print(
        f"\n{everything.accepted} accepted, {everything.partially_accepted} in part, "
        f"{everything.typed_through} typed through, {everything.dismissed} dismissed; "
        f"{everything.inserted_characters} characters inserted, {everything.typed_characters} typed by hand"
    )


def _row(values: Metrics) -> list[str]:
    return [_cell(name, getattr(values, name)) for name in _COLUMNS]


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if name.endswith("_ms") or isinstance(value, int) else f"{value:.1%}"


def _write_page(events: Sequence[Event], path: Path) -> None:
    from mellum_lsp.bench.extras import ReportsMissing, require_reports
    from mellum_lsp.bench.page import Page
    from mellum_lsp.bench.plots import svg, waiting_times, weeks
    from mellum_lsp.feedback import metrics

    try:
        require_reports()
    except ReportsMissing as error:
        raise Failure(str(error)) from error
    page = Page("Code completion on this machine")
    everything = metrics.overall(events)
    page.text("Counted by mellum-lsp on this machine. Nothing was sent anywhere, and no source text is kept.")
    page.table(("", *_COLUMNS.values()), [("all", *_row(everything))])
    if everything.shown:
        by_week = metrics.by(metrics.week_of, events)
        page.heading("Over time")
        page.figure(
            svg(weeks(dict(sorted(by_week.items())))), "Shown suggestions and the share accepted, by week"
        )
        page.heading("Waiting")
        waited = [one.latency_ms for one in metrics.suggestions(events)]
        page.figure(svg(waiting_times(waited)), "Milliseconds from the request to the answer")
    for name, group in _groups(events).items():
        page.heading(f"By {name}")
        page.table((name, *_COLUMNS.values()), [(key, *_row(values)) for key, values in group.items()])
    path.write_text(page.html, encoding="utf-8")
