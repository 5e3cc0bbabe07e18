"""``mellum-lsp bench replay``: a simulated typist writes your own code beside the server."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column, Table

from mellum_lsp.cli.output import Failure, errors, json_option, print_json, progress_bar, reported_failures

if TYPE_CHECKING:
    from mellum_lsp.bench.replay_run import ReplayRun
    from mellum_lsp.bench.replay_summary import ReplayVariant


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--model", "models", multiple=True, help="A catalogue name or a path to a .gguf; repeatable.")
@click.option(
    "--gate", "gates", multiple=True, type=click.FloatRange(0, 1), help="A gate to compare; repeatable."
)
@click.option(
    "--context-tokens",
    "contexts",
    multiple=True,
    type=click.IntRange(64),
    help="A longest prompt to compare; repeatable.",
)
@click.option(
    "--minutes",
    default=3.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Of typing for each variant, in real time, added to what was typed before. 0 only reports.",
)
@click.option("--words-per-minute", default=100.0, show_default=True, type=click.FloatRange(10, 400))
@click.option(
    "--takes",
    type=click.Choice(["whole", "lines"]),
    default="whole",
    show_default=True,
    help="Suggestions that are right as a whole, or their first line by itself too.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads that decode.")
@click.option("--seed", default=1, show_default=True, help="Another seed types other pieces.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for what was typed.")
@json_option
def replay(
    folder: Path,
    models: tuple[str, ...],
    gates: tuple[float, ...],
    contexts: tuple[int, ...],
    minutes: float,
    words_per_minute: float,
    takes: str,
    threads: int | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Type pieces of the code in DIR again beside the real server, as a person in VS Code would.

    The typist pauses, jumps to other places, mistypes and corrects, and accepts what is right. Told is how
    many keys that saves, how long every kind of answer takes, why nothing is shown where nothing is, and what
    it all costs. Every model, gate and prompt length named is compared with the others on the same pieces.

    Example: mellum-lsp bench replay ~/src/app --minutes 5 --gate 0.3 --gate 0.6
    """
    from mellum_lsp.bench.editor import ReplayFailed
    from mellum_lsp.bench.extras import ReportsMissing, require_reports
    from mellum_lsp.bench.project import Project
    from mellum_lsp.bench.replay_run import NothingToType, ReplayRun
    from mellum_lsp.bench.replay_summary import ReplayVariant
    from mellum_lsp.bench.typist import Typist

    settings = {"engine": {"threads": threads}} if threads else {}
    typist = Typist(
        words_per_minute=words_per_minute, seed=seed, takes="lines" if takes == "lines" else "whole"
    )
    variants = [
        ReplayVariant(*choice)
        for choice in itertools.product(models or ("",), gates or (None,), contexts or (None,))
    ]
    try:
        require_reports()
        run = ReplayRun(Project.read(folder), typist, out or _default_folder(folder), settings)
        with reported_failures():
            _check(variants)
            _type(run, variants, minutes, as_json)
    except (ReportsMissing, NothingToType, ReplayFailed) as error:
        raise Failure(str(error)) from error
    _tell(run, variants, as_json)


def _check(variants: list[ReplayVariant]) -> None:
    """Raises `EngineError` before minutes of typing for a model that is not there."""
    from mellum_lsp.engine.script_file import PREFIX, read_script
    from mellum_lsp.models.resolve import chosen_model, resolve

    for model in dict.fromkeys(variant.model for variant in variants):
        script = chosen_model(model)
        if script.startswith(PREFIX):
            read_script(Path(script.removeprefix(PREFIX)))
        else:
            resolve(model)


def _type(run: ReplayRun, variants: list[ReplayVariant], minutes: float, quiet: bool) -> None:
    chosen = run.chosen(variants, minutes)
    for variant in variants:
        with progress_bar(f"typing with {variant.name}", shown=not quiet) as progress:
            asyncio.run(run.type(variant, chosen, progress))


def _default_folder(folder: Path) -> Path:
    """In the cache directory; folders of the same name do not share it."""
    from platformdirs import user_cache_path

    path = folder.resolve()
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return user_cache_path("mellum-lsp") / "bench" / f"replay-{path.name}-{digest}"


def _tell(run: ReplayRun, variants: list[ReplayVariant], as_json: bool) -> None:
    """Prints the figures and writes the report."""
    from mellum_lsp.bench import replay_report
    from mellum_lsp.bench.replay_summary import summarise

    replayed = {variant: list(run.known(variant).values()) for variant in variants}
    summary = summarise(run.project.name, replayed)
    page = run.folder / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    title = f"Typing in {run.project.name}"
    page.write_text(replay_report.html(summary, replayed, title), encoding="utf-8")
    if as_json:
        print_json({**replay_report.document(summary), "report": page})
        return
    console = Console(highlight=False)
    for figures in summary.figures:
        console.print(f"[bold]{figures.variant.name}[/]")
        for headers, rows in (
            replay_report.headline_table([figures]),
            replay_report.waiting_table([figures]),
        ):
            console.print(_table(headers[1:], [row[1:] for row in rows]), "")
    for reason in summary.reasons:
        console.print(f"- {reason}", soft_wrap=True)
    click.echo(json.dumps(dict(summary.advice)))
    errors.print(f"the whole report: {page}", soft_wrap=True)


def _table(headers: Any, rows: Any) -> Table:
    """Without the intervals: they are in the report."""
    table = Table(*(Column(header, overflow="fold") for header in headers), box=None)
    for row in rows:
        table.add_row(*(cell.partition(" [")[0] for cell in row))
    return table
