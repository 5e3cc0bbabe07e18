"""What every command shares: JSON on standard output, errors with a next step, progress on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

errors = Console(stderr=True, highlight=False)
"""Progress and errors: standard error, so that standard output can be piped."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, nothing else.")


lora_option = click.option(
    "--lora",
    metavar="FILE",
    help="A LoRA adapter (.gguf) for the model; `none` leaves out what `adapt` has tuned for the workspace.",
)


def print_json(document: Any) -> None:
    """Print ``document`` (dataclasses, msgspec structs, paths included) as one JSON document."""
    text = msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2)
    click.echo(text.decode("utf-8"))


class Failure(click.ClickException):
    """Something failed: exit code 1, the message, and what to do next, which the message may end with.

    A command that was asked for ``--json`` prints that as its one document too.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        message, _, hint_within = message.partition("\nhint: ")
        super().__init__(message)
        self.hint = hint or hint_within
        context = click.get_current_context(silent=True)
        self._as_json = bool(context and context.params.get("as_json"))

    def show(self, file: Any = None) -> None:
        if self._as_json:
            print_json({"error": self.message, "hint": self.hint})
        click.echo(f"error: {self.message}", err=True, file=file)
        if self.hint:
            click.echo(f"hint: {self.hint}", err=True, file=file)


@contextmanager
def reported_failures() -> Iterator[None]:
    """Turn the project's own errors into a `Failure`; programming errors keep their traceback."""
    from mellum_lsp.engine.interface import EngineError

    try:
        yield
    except EngineError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Failure(f"{where}{error.strerror or error}") from error


@contextmanager
def progress_bar(description: str, *, shown: bool = True) -> Iterator[Callable[[float], None]]:
    """A bar on standard error while that is a terminal; yields what takes a fraction from 0 to 1."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=errors, transient=True, disable=not (shown and errors.is_terminal)
    ) as bar:
        task = bar.add_task(description, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


@contextmanager
def stages(*, shown: bool = True) -> Iterator[Callable[[str, float], None]]:
    """A bar for work of several stages; yields what takes the stage's name and a fraction from 0 to 1."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=errors, transient=True, disable=not (shown and errors.is_terminal)
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda stage, fraction: bar.update(task, description=stage, completed=fraction)
