"""``mellum-lsp doctor``: is everything here that a completion needs, and how fast will it be?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column, Table

from mellum_lsp import __version__
from mellum_lsp.cli.output import json_option, print_json, stages

if TYPE_CHECKING:
    from mellum_lsp.diagnosis.candidates import Candidate
    from mellum_lsp.diagnosis.examination import Diagnosis

_VERDICTS = {"yes": "[green]yes[/]", "close": "[yellow]maybe[/]", "no": "[red]no[/]", None: "?"}


@click.command()
@click.option("--model", help="Measure only this one: a catalogue name or a path to a .gguf.")
@click.option("--quick", is_flag=True, help="Look only, load and measure nothing.")
@click.option(
    "--target-ms", default=300, show_default=True, type=click.IntRange(1), help="How long a line may take."
)
@click.option(
    "--report", "as_report", is_flag=True, help="Print a report for others, without anything private."
)
@json_option
def doctor(model: str | None, quick: bool, target_ms: int, as_report: bool, as_json: bool) -> None:
    """Check this installation, measure the models that are here and predict those that are not.

    Takes about half a minute. Predictions come from what weights cost on this machine (docs/doctor.md), so
    that you know before a download whether a model will be fast enough.

    Example: mellum-lsp doctor --report
    """
    from mellum_lsp.diagnosis.examination import Wanted, examine
    from mellum_lsp.diagnosis.report import report

    with stages(shown=not as_json) as on_progress:
        found = examine(Wanted(model, quick, target_ms), on_progress)
    if as_json:
        print_json(_document(found))
    elif as_report:
        click.echo(report(found), nl=False)
    else:
        _print(found)
    if not found.healthy:
        raise SystemExit(1)


def _document(found: Diagnosis) -> dict[str, Any]:
    return {
        "version": __version__,
        "healthy": found.healthy,
        "target_ms": found.target_ms,
        "checks": found.checks,
        "models": [
            {**_fields(one), "meets_target": one.verdict(found.target_ms)} for one in found.candidates
        ],
        "recommendation": found.recommendation,
    }


def _fields(one: Candidate) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def _print(found: Diagnosis) -> None:
    console = Console(highlight=False)
    marks = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for check in found.checks:
        table.add_row(marks[check.status], check.name, check.detail)
        if check.hint:
            table.add_row("", "", f"[dim]hint: {check.hint}[/]")
    console.print(table)
    _print_models(console, found)
    if found.recommendation:
        console.print(f"\n[bold]Recommended: {found.recommendation.model}[/]")
        for reason in found.recommendation.reasons:
            console.print(f"  - {reason}", soft_wrap=True)
        for command in found.recommendation.commands:
            console.print(f"  [cyan]{command}[/]", soft_wrap=True)


def _print_models(console: Console, found: Diagnosis) -> None:
    if not any(one.speed for one in found.candidates):
        console.print(
            "\nHow fast the catalogue's models would be is told by `mellum-lsp doctor` without --quick."
        )
        return
    console.print(f"\nA line within {found.target_ms} ms? (~ predicted, not measured; → quantised here)")
    right = ("GB", "prompt/s", "answer/s", "line", "jump")
    table = Table(
        Column("model", no_wrap=True), *(Column(name, justify="right", no_wrap=True) for name in right), ""
    )
    table.box = None
    for group in _alike(found.candidates):
        table.add_row(*_cells(group, found.target_ms))
    console.print(table)


def _alike(found: list[Candidate]) -> Iterator[list[Candidate]]:
    """Candidates of which the same is to be told, the fine-tunings of one model above all."""

    def told(one: Candidate) -> tuple[object, ...]:
        own = one.name if one.path or one.parameters_billion is None else ""
        return (own, one.parameters_billion, one.quantisation, one.size_gb, one.memory_gb)

    ordered = sorted(found, key=lambda one: (one.parameters_billion or 0, one.quantisation, one.name))
    for _, group in groupby(ordered, told):
        yield list(group)


def _cells(group: list[Candidate], target_ms: int) -> tuple[str, ...]:
    one = group[0]
    mark = "~" if one.source == "predicted" else ""
    jump = one.jump_ms if one.jump_ms is not None else one.waiting.jump_ms if one.waiting else None

    def number(value: float | None) -> str:
        return "-" if value is None else f"{mark}{value:,.0f}" if value >= 10 else f"{mark}{value:.1f}"

    def time(milliseconds: float | None) -> str:
        if milliseconds is None or milliseconds < 1000:
            return "-" if milliseconds is None else f"{mark}{milliseconds:.0f} ms"
        return f"{mark}{milliseconds / 1000:.1f} s"

    return (
        f"{_common_name(group)} {'→ ' if one.quantise else ''}{one.quantisation}".strip(),
        "-" if one.memory_gb is None else f"{one.memory_gb:.1f}",
        number(one.speed.prefill if one.speed else None),
        number(one.speed.decode if one.speed else None),
        time(one.line_ms),
        time(jump),
        "[red]too big[/]" if one.fits is False else _VERDICTS[one.verdict(target_ms)],
    )


def _common_name(group: list[Candidate]) -> str:
    """The names' common beginning with a star, or the name."""
    if len(group) == 1:
        return group[0].name
    columns = zip(*(one.name for one in group), strict=False)
    common = sum(1 for _ in takewhile(lambda letters: len(set(letters)) == 1, columns))
    return f"{group[0].name[:common]}*"
