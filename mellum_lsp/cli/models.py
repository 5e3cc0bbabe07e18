"""``mellum-lsp models``: which models there are, and whether a file is one that can be served."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from mellum_lsp.cli.output import json_option, print_json, reported_failures
from mellum_lsp.models.catalog import CatalogModel, catalog, find
from mellum_lsp.models.hardware import Hardware, measure_hardware, memory_needed
from mellum_lsp.models.resolve import embedded_model_path, resolve
from mellum_lsp.models.store import pulled

PROMPT_CONTEXT_TOKENS = 4096
"""The context for which the memory need is told: what the engine makes room for when nothing is said."""


@click.group()
def models() -> None:
    """Know the models: list, show, path, verify.

    Example: mellum-lsp models list
    """


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the models that are known by name, whether they are here, and whether they fit this machine.

    Example: mellum-lsp models list --json
    """
    hardware = measure_hardware()
    rows = [_document(model, hardware) for model in catalog()]
    if as_json:
        print_json({"models": rows})
        return
    table = Table(Column("name", no_wrap=True), "here", "size", "memory", "licence", "what it is", box=None)
    for row in rows:
        memory = "" if row["memory_gb"] is None else f"{row['memory_gb']:.1f} GB"
        fits = {True: "", False: " [red]too big here[/]", None: ""}[row["fits"]]
        size = "" if row["size_gb"] is None else f"{row['size_gb']:.1f} GB"
        limits = " [yellow]*[/]" if row["limits"] else ""
        table.add_row(
            row["name"],
            "✓" if row["path"] else "",
            size,
            memory + fits,
            row["licence"] + limits,
            row["title"],
        )
    console = Console(highlight=False)
    console.print(table)
    for row in rows:
        if row["limits"]:
            console.print(f"[yellow]*[/] {row['name']}: {row['limits']}")
    console.print("Any other GGUF can be served by its path: --model PATH.gguf")


@models.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what is known of the catalogue's model NAME.

    Example: mellum-lsp models show nano-135m
    """
    model = find(name)
    if model is None:
        known = ", ".join(entry.name for entry in catalog())
        raise click.BadParameter(f"there is no model called {name!r}; there are {known}", param_hint="NAME")
    row = _document(model, measure_hardware())
    if as_json:
        print_json(row)
        return
    for field, value in row.items():
        if value not in (None, ""):
            click.echo(f"{field:15} {value}")


@models.command()
@click.argument("name", required=False)
@json_option
def path(name: str | None, as_json: bool) -> None:
    """Print the file that serves NAME (or that serves when no model is named).

    Example: mellum-lsp models path
    """
    with reported_failures():
        choice = resolve(name)
    if as_json:
        print_json({"name": choice.name, "path": choice.path})
    else:
        click.echo(choice.path)


@models.command()
@click.argument("name", required=False)
@json_option
def verify(name: str | None, as_json: bool) -> None:
    """Check that the model NAME (a name or a path) is whole and of a kind that can be served.

    Example: mellum-lsp models verify models/nano-135m.gguf
    """
    from mellum_lsp.engine.gguf import check_is_model, read_header
    from mellum_lsp.prompt.dialects import Vocabulary, choose

    with reported_failures():
        choice = resolve(name)
        header = read_header(choice.path)
        check_is_model(header)
    found = {
        "name": choice.name,
        "path": choice.path,
        "architecture": header.architecture,
        "dialect": choose(Vocabulary(header.markers, header.metadata)).name,
        "tensors": header.tensors,
        "bytes": header.file_bytes,
    }
    if as_json:
        print_json(found)
    else:
        click.echo(
            f"{choice.path} is whole: {header.architecture}, {header.tensors} tensors, "
            f"dialect {found['dialect']}"
        )


def _document(model: CatalogModel, hardware: Hardware) -> dict[str, Any]:
    """What there is to say of a model here; ``fits`` is None where its memory need is not known."""
    file = embedded_model_path() if model.embedded else pulled(model.name)
    here = file if file and file.is_file() else None
    size = here.stat().st_size if here else None if model.size_gb is None else int(model.size_gb * 1e9)
    need = (
        memory_needed(size, model.kv_bytes_per_token, min(PROMPT_CONTEXT_TOKENS, model.context_tokens))
        if size and model.kv_bytes_per_token
        else None
    )
    return {
        "name": model.name,
        "title": model.title,
        "path": here,
        "repository": model.repository,
        "dialect": model.dialect,
        "licence": model.licence,
        "limits": model.limits,
        "context_tokens": model.context_tokens,
        "parameters_billion": model.parameters_billion,
        "size_gb": None if size is None else round(size / 1e9, 2),
        "memory_gb": None if need is None else round(need / 1e9, 2),
        "fits": None if need is None else need <= hardware.memory_bytes,
    }
