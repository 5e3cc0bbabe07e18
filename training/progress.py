"""Progress bars that say nothing where nobody looks (output to a file, tests)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, track

T = TypeVar("T")


def bar(items: Sequence[T] | Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """``items`` with a bar on the terminal's error stream."""
    if not sys.stderr.isatty():
        yield from items
        return
    yield from track(items, title, total=total, console=Console(stderr=True), transient=True)


class Meter:
    """A bar for what has a share of its budget spent rather than a number of items."""

    def __init__(self, title: str) -> None:
        console = Console(stderr=True, quiet=not sys.stderr.isatty())
        self._bar = Progress(*Progress.get_default_columns(), "{task.fields[note]}", console=console)
        self._task = self._bar.add_task(title, total=1.0, note="")
        self._bar.start()

    def show(self, share: float, note: str) -> None:
        self._bar.update(self._task, completed=min(share, 1.0), note=note)

    def close(self) -> None:
        self._bar.stop()
