"""``mellum-lsp index``: what the server would know of a project, and what it would find for a caret."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from mellum_lsp.cli.complete import chunk_document
from mellum_lsp.cli.output import errors, json_option, print_json, progress_bar, reported_failures
from mellum_lsp.cli.target import TargetType, caret_at
from mellum_lsp.domain import ScoredChunk, Trigger


@click.command()
@click.argument(
    "folder", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="[DIR]"
)
@click.option("--query", type=TargetType(), help="Rank the project's chunks for FILE:LINE:COL.")
@json_option
def index(folder: Path, query: tuple[Path, int, int] | None, as_json: bool) -> None:
    """Index the project in DIR and say what is in it, or what it holds for a caret.

    Example: mellum-lsp index . --query src/app.py:12:5
    """
    from mellum_lsp.retrieval.report import index_report, query_report
    from mellum_lsp.workspace.settings import IndexSettings

    with reported_failures(), progress_bar("indexing", shown=not as_json):
        if query is None:
            report = index_report(folder, IndexSettings())
        else:
            chunks = query_report(folder, IndexSettings(), caret_at(query, folder, Trigger.INVOKED))
    if query is not None:
        if as_json:
            print_json({"chunks": [chunk_document(chunk) for chunk in chunks]})
        elif chunks:
            _print_chunks(chunks)
        else:
            errors.print("nothing in the project is like the code around this place")
    elif as_json:
        print_json(report)
    else:
        for name, value in report.items():
            click.echo(f"{name:10} {value}")


def _print_chunks(chunks: list[ScoredChunk]) -> None:
    table = Table("score", "strategy", "chunk", box=None)
    for scored in chunks:
        chunk = scored.chunk
        table.add_row(
            f"{scored.score:.3f}", scored.strategy, f"{chunk.path}:{chunk.start_line}-{chunk.end_line}"
        )
    Console(highlight=False).print(table)
