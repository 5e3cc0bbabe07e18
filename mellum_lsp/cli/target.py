"""``FILE:LINE:COL`` on the command line, and the project that a file belongs to."""

from __future__ import annotations

from pathlib import Path

import click

from mellum_lsp.domain import Caret, Trigger
from mellum_lsp.workspace.languages import language_of

ROOT_MARKERS = (".git", ".hg", ".jj", "pyproject.toml", "package.json", "Cargo.toml", "go.mod", "pom.xml")


class TargetType(click.ParamType[tuple[Path, int, int]]):
    """``FILE:LINE:COL`` with LINE and COL from 1; COL is 1 + the number of characters before the caret."""

    name = "FILE:LINE:COL"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[Path, int, int]:
        name, line, column = ["", "", "", *str(value).rsplit(":", 2)][-3:]
        if not name or not line.isdecimal() or not column.isdecimal() or not int(line) or not int(column):
            self.fail(f"{value!r} is not FILE:LINE:COL with LINE and COL from 1, as in src/app.py:12:5")
        path = Path(name)
        if not path.is_file():
            self.fail(f"there is no file {name!r}")
        return path, int(line), int(column)


def project_root(file: Path) -> Path:
    """The nearest folder above ``file`` that looks like a project's, or else the file's own folder."""
    file = file.resolve()
    for folder in file.parents:
        if any((folder / marker).exists() for marker in ROOT_MARKERS):
            return folder
    return file.parent


def caret_at(target: tuple[Path, int, int], root: Path, trigger: Trigger) -> Caret:
    """The caret that ``target`` names, in the file as it is on disk.

    Raises `click.BadParameter` where the file has no such place.
    """
    file, line, column = target
    text = file.read_bytes().decode("utf-8", errors="replace").removeprefix("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if line > len(lines):
        count = f"{len(lines)} line{'s' * (len(lines) != 1)}"
        raise click.BadParameter(f"{file} has {count}, not {line}", param_hint="FILE:LINE:COL")
    if column > len(lines[line - 1]) + 1:
        raise click.BadParameter(
            f"line {line} of {file} has {len(lines[line - 1])} characters: COL is at most "
            f"{len(lines[line - 1]) + 1}",
            param_hint="FILE:LINE:COL",
        )
    offset = sum(len(earlier) + 1 for earlier in lines[: line - 1]) + column - 1
    resolved = file.resolve()
    try:
        path = resolved.relative_to(root.resolve()).as_posix()
    except ValueError:
        path = file.name
    return Caret(
        path=path,
        language=language_of(path),
        text=text,
        offset=offset,
        trigger=trigger,
        root=str(root.resolve()),
        document=resolved.as_uri(),
    )
