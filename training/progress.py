"""Progress bars that say nothing where nobody looks (output to a file, tests)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.progress import track

T = TypeVar("T")


def bar(items: Sequence[T] | Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """``items`` with a bar on the terminal's error stream."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console

    yield from track(items, title, total=total, console=Console(stderr=True), transient=True)
