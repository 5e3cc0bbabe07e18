"""``mellum-lsp bench``: how good completions are on your own code."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Column, Table

from mellum_lsp.cli.output import Failure, errors, json_option, print_json, progress_bar, reported_failures

if TYPE_CHECKING:
    from mellum_lsp.bench.answers import Variant
    from mellum_lsp.bench.runner import Run
    from mellum_lsp.bench.summary import Results
    from mellum_lsp.completion.settings import CompletionSettings
    from mellum_lsp.engine.interface import Engine


@click.group()
def bench() -> None:
    """Measure completions on your own code.

    Example: mellum-lsp bench holes . --model nano-135m --model ~/models/other.gguf
    """


@bench.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--model", "models", multiple=True, help="A catalogue name or a path to a .gguf; repeatable.")
@click.option(
    "--context",
    "mixes",
    multiple=True,
    help="Project context: none, default, or a mix as in 'tokens:1 lines:0.5'; repeatable. "
    "Without it none and default are compared.",
)
@click.option("--gate", type=click.FloatRange(0, 1), help="The gate in use, to compare the others with.")
@click.option("--count", default=60, show_default=True, type=click.IntRange(1), help="How many holes.")
@click.option("--seed", default=1, show_default=True, help="Another seed removes other spans.")
@click.option(
    "--context-tokens", default=1024, show_default=True, type=click.IntRange(64), help="The longest prompt."
)
@click.option("--threads", type=click.IntRange(1), help="Threads that decode.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Stop after so long; run again to go on.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for answers and report."
)
@json_option
def holes(
    folder: Path,
    models: tuple[str, ...],
    mixes: tuple[str, ...],
    gate: float | None,
    count: int,
    seed: int,
    context_tokens: int,
    threads: int | None,
    minutes: float | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Remove spans of the code in DIR and let models complete them as the server would.

    Answers are kept in a folder as they come: a run that was broken off goes on where it was. What comes out
    is a table, a report (report.html) and settings that the figures speak for.

    Example: mellum-lsp bench holes ~/src/app --model nano-135m --context none --context default
    """
    from mellum_lsp.bench.extras import ReportsMissing, require_reports
    from mellum_lsp.bench.holes import NoHoles, choose_holes
    from mellum_lsp.bench.project import Project, ranking_of
    from mellum_lsp.bench.runner import Run

    mixes = mixes or ("none", "default")
    for mix in mixes:
        try:
            ranking_of(mix)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--context") from error
    try:
        require_reports()
        project = Project.read(folder)
        with progress_bar("choosing what to remove", shown=not as_json):
            chosen = choose_holes(project, count, seed)
    except (ReportsMissing, NoHoles) as error:
        raise Failure(str(error)) from error
    deadline = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    run = Run(project, chosen, out or _default_folder(folder), _settings(gate), deadline)
    with reported_failures():
        results, finished = _answered(run, models or ("",), mixes, context_tokens, threads, as_json)
        results.calibrated_gate = gate is None
    _tell(results, run, as_json, finished)


def _answered(
    run: Run,
    models: Sequence[str],
    mixes: Sequence[str],
    context_tokens: int,
    threads: int | None,
    quiet: bool,
) -> tuple[Results, bool]:
    """The answers of every model with every mix, and whether that is all of them."""
    from mellum_lsp.bench.answers import Variant
    from mellum_lsp.bench.summary import Results

    results = Results(run.places(), {}, run.settings)
    finished = True
    for model in models:
        engine, name = open_engine(model, threads)
        results.choices[name] = model or name
        variants = [Variant(name, mix, context_tokens) for mix in mixes]
        with progress_bar(f"completing with {name}", shown=not quiet) as progress:
            finished &= asyncio.run(_answer(run, variants, engine, progress))
        results.answers.update({variant: run.answers(variant) for variant in variants})
    return results, finished


async def _answer(
    run: Run, variants: Sequence[Variant], engine: Engine, progress: Callable[[float], None]
) -> bool:
    try:
        return await run.answer(variants, engine, lambda done, total: progress(done / max(1, total)))
    finally:
        await engine.close()


def open_engine(model: str, threads: int | None) -> tuple[Engine, str]:
    """The engine for a chosen model, in a process of its own, and the model's name.

    Raises `EngineError` where there is no such model.
    """
    from mellum_lsp.engine.llama import LlamaEngine
    from mellum_lsp.engine.script_file import PREFIX, engine_from_file
    from mellum_lsp.engine.settings import EngineSettings
    from mellum_lsp.models.resolve import chosen_model, resolve

    script = chosen_model(model)
    if script.startswith(PREFIX):
        path = Path(script.removeprefix(PREFIX))
        return engine_from_file(path), path.stem
    chosen = resolve(model)
    return LlamaEngine(chosen.path, EngineSettings(threads=threads), None, chosen.name), chosen.name


def _settings(gate: float | None) -> CompletionSettings:
    from mellum_lsp.completion.settings import CompletionSettings

    return CompletionSettings() if gate is None else CompletionSettings(gate=gate)


def _default_folder(folder: Path) -> Path:
    """In the cache directory; folders of the same name do not share it."""
    from platformdirs import user_cache_path

    path = folder.resolve()
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return user_cache_path("mellum-lsp") / "bench" / f"holes-{path.name}-{digest}"


def _tell(results: Results, run: Run, as_json: bool, finished: bool) -> None:
    """Prints the figures and writes the report."""
    from mellum_lsp.bench import report
    from mellum_lsp.bench.summary import summarise

    summary = summarise(results)
    page = run.folder / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(report.html(summary, f"Completions of {run.project.name}"), encoding="utf-8")
    if as_json:
        document = report.document(summary)
        print_json({**document, "finished": finished, "report": page})
        return
    console = Console(highlight=False)
    overall = [one for one in summary.figures if one.group in ("all", "cross-file")]
    gates = [one for one in summary.gates if one.group == "all"]
    for headers, rows in (
        report.quality_table(overall, ("exact", "chrf")),
        report.gate_table(gates, marks=(0.0, 0.9), intervals=False),
    ):
        table = Table(*(Column(header, no_wrap=len(header) > 7) for header in headers), box=None)
        for row in rows:
            table.add_row(*row)
        console.print(table, "")
    for reason in summary.reasons:
        console.print(f"- {reason}", soft_wrap=True)
    click.echo(json.dumps(dict(summary.advice)))
    errors.print(f"the whole report: {page}", soft_wrap=True)
    if not finished:
        errors.print("time was up before all was answered; run the same command again to go on")
