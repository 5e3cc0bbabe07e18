"""``mellum-lsp adapt``: a LoRA of the served model, tuned on your own code while the machine is idle."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mellum_lsp.cli.output import Failure, errors, json_option, print_json, reported_failures

if TYPE_CHECKING:
    from mellum_lsp.adapt.job import OnStage, Result
    from mellum_lsp.adapt.judging import Judgement
    from mellum_lsp.adapt.plan import Wishes

_FIGURES = {"exact": "exact", "chrf": "chrF++", "similarity": "edit similarity", "ended": "ends by itself"}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--model", help="What to tune: a catalogue name or a path to a .gguf.")
@click.option("--now", is_flag=True, help="Do not wait until the machine is idle.")
@click.option(
    "--minutes",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Of tuning, without pauses.",
)
@click.option("--holes", default=120, show_default=True, type=click.IntRange(1), help="To judge it by.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Files to leave out; repeatable.")
@click.option("--threads", type=click.IntRange(1), help="Threads that compute (default: all cores).")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--status", is_flag=True, help="Say what serves in DIR and how far its tuning is.")
@click.option("--undo", is_flag=True, help="Serve the model alone in DIR again.")
@json_option
def adapt(
    folder: Path,
    model: str | None,
    now: bool,
    minutes: float,
    holes: int,
    exclude: tuple[str, ...],
    threads: int | None,
    device: str,
    status: bool,
    undo: bool,
    as_json: bool,
) -> None:
    """Tune the model on the code in DIR and serve it there, if it proves better on files held out.

    It works at the lowest priority, only while the machine is idle (see --now), and nothing leaves it. Files
    that the project ignores, and secrets, are not looked at. Ctrl-C ends it; the same command goes on.

    Example: mellum-lsp adapt ~/src/shop
    """
    if status and undo:
        raise click.UsageError("choose one of --status and --undo")
    with reported_failures():
        if status:
            _tell_status(folder.resolve(), as_json)
        elif undo:
            _undo(folder.resolve(), as_json)
        else:
            _tune(_wishes(folder.resolve(), model, minutes, holes, exclude, threads, device), now, as_json)


def _wishes(
    workspace: Path,
    model: str | None,
    minutes: float,
    holes: int,
    exclude: tuple[str, ...],
    threads: int | None,
    device: str,
) -> Wishes:
    from mellum_lsp.adapt.plan import Wishes
    from mellum_lsp.models.resolve import resolve

    chosen = resolve(model)
    return Wishes(workspace, chosen.path, chosen.name, minutes, holes, threads, device, exclude)


def _tune(wishes: Wishes, now: bool, as_json: bool) -> None:
    from mellum_lsp.adapt.errors import AdaptFailed, Interrupted
    from mellum_lsp.adapt.idleness import Idleness
    from mellum_lsp.adapt.job import Job
    from mellum_lsp.adapt.worker import Worker

    def worker_for(on_tick: Callable[[str], None], ask_to_end: Callable[[], None]) -> Worker:
        idleness = (lambda: "") if now else Idleness(lambda: worker.cpu_seconds())
        worker = Worker(idleness, on_tick, ask_to_end)
        return worker

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or what we started would go on unattended
    began = time.monotonic()
    try:
        with _stages(shown=not as_json) as tell:
            job = Job(wishes, worker_for, tell)
            if not as_json:
                plan = job.plan
                errors.print(
                    f"tuning {wishes.model_name} on {plan.files} files ({plan.characters:,} characters)"
                )
            result = job.run()
    except AdaptFailed as error:
        raise Failure(str(error)) from error
    except Interrupted as error:
        raise Failure("interrupted", "the same command goes on where it was") from error
    _tell(wishes, result, time.monotonic() - began, as_json)


@contextmanager
def _stages(*, shown: bool) -> Iterator[OnStage]:
    """A bar on standard error while that is a terminal, a line for each stage elsewhere."""
    from mellum_lsp.adapt.job import STAGES

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    is_terminal = errors.is_terminal
    with Progress(*columns, console=errors, transient=True, disable=not (shown and is_terminal)) as bar:
        task = bar.add_task("", total=None)
        said = ""

        def tell(stage: str, share: float | None, waits: str) -> None:
            nonlocal said
            what = STAGES[stage] + (f" (waiting: {waits})" if waits else "")
            bar.update(task, description=what, total=None if share is None else 1.0, completed=share or 0.0)
            if shown and not is_terminal and what != said:
                errors.print(what)
            said = what

        yield tell


def _tell(wishes: Wishes, result: Result, seconds: float, as_json: bool) -> None:
    judgement = result.judgement
    if as_json:
        print_json(
            {
                "workspace": wishes.workspace,
                "model": wishes.model_name,
                "served": result.adapter is not None,
                "reason": judgement.reason,
                "adapter": result.adapter,
                "files": result.plan.files,
                "held_out_files": result.held_out_files,
                "figures": _figures(judgement),
                "seconds": round(seconds, 1),
            }
        )
        return
    table = Table("", "model alone", "adapted", "difference", box=None)
    for figure, title in _FIGURES.items():
        alone, adapted, difference = (
            part[figure] for part in (judgement.alone, judgement.adapted, judgement.difference)
        )
        table.add_row(
            title,
            f"{alone.value:.2f}",
            f"{adapted.value:.2f}",
            f"{difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]",
        )
    console = Console(highlight=False)
    console.print(table, "")
    console.print(judgement.reason, soft_wrap=True)
    if result.adapter:
        console.print(f"it serves in {wishes.workspace} from now on, also in editors that are open")
        console.print(f"to undo that: mellum-lsp adapt --undo {wishes.workspace}", soft_wrap=True)
    else:
        console.print("so nothing changes: the model alone serves, or what served before")


def _figures(judgement: Judgement) -> dict[str, Any]:
    parts = {"alone": judgement.alone, "adapted": judgement.adapted, "difference": judgement.difference}
    return {"holes": judgement.holes} | {
        name: {figure: estimate._asdict() for figure, estimate in part.items()}
        for name, part in parts.items()
    }


def _tell_status(workspace: Path, as_json: bool) -> None:
    from mellum_lsp.adapt.job import STAGES, is_running, state_of
    from mellum_lsp.models.adapters import record_of

    record, state = record_of(workspace), state_of(workspace)
    running = is_running(workspace)
    if as_json:
        print_json({"workspace": workspace, "serves": record, "running": running, "job": state})
        return
    if record:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.made))
        click.echo(f"{workspace} is served with an adapter of {record.model} tuned at {made}")
        click.echo(str(record.figures.get("reason", "")))
    else:
        click.echo(f"no adapter serves in {workspace}")
    if state:
        done = f", {state.share:.0%} done" if state.share is not None else ""
        waits = f", waiting: {state.waits}" if state.waits and running else ""
        how = "is running" if running else "was ended; the same command goes on"
        click.echo(f"its tuning {how}: {STAGES.get(state.stage, state.stage)}{done}{waits}")


def _undo(workspace: Path, as_json: bool) -> None:
    from mellum_lsp.models.adapters import deactivate

    record = deactivate(workspace)
    if as_json:
        print_json({"workspace": workspace, "undone": record is not None})
    elif record:
        click.echo(f"the adapter of {record.model} was removed; the model alone serves in {workspace}")
    else:
        raise Failure(f"no adapter serves in {workspace}", f"mellum-lsp adapt {workspace} tunes one")
