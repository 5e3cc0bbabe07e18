"""``mellum-lsp models list`` and ``show``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from mellum_lsp.cli.output import json_option, print_json
from mellum_lsp.engine.interface import EngineError
from mellum_lsp.models.catalog import CatalogModel, catalog, find
from mellum_lsp.models.hardware import Hardware, measure_hardware, memory_needed
from mellum_lsp.models.resolve import embedded_model_path
from mellum_lsp.models.store import all_pulled, origin_of, pulled

PROMPT_CONTEXT_TOKENS = 4096
"""The context for which the memory need is told: what the engine makes room for when nothing is said."""


@click.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the models that are known by name or stored here, and whether they fit this machine's memory.

    Example: mellum-lsp models list --json
    """
    hardware = measure_hardware()
    rows = [_document(model, hardware) for model in catalog()]
    rows += [_stored(name, path) for name, path in all_pulled().items() if find(name) is None]
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
    console.print(
        "Fetch one with `mellum-lsp models pull NAME` (or OWNER/REPOSITORY of the hub).\n"
        "Any GGUF that you have can be served by its path: --model PATH.gguf"
    )


@click.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what is known of the model NAME of the catalogue or of the store.

    Example: mellum-lsp models show nano-135m
    """
    model, stored = find(name), pulled(name.lower())
    if model:
        row = _document(model, measure_hardware())
    elif stored:
        row = _stored(name.lower(), stored)
    else:
        known = ", ".join([*(entry.name for entry in catalog()), *all_pulled()])
        raise click.BadParameter(f"there is no model called {name!r}; there are {known}", param_hint="NAME")
    if as_json:
        print_json(row)
        return
    for field, value in row.items():
        if value not in (None, ""):
            click.echo(f"{field:15} {value}")


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


def _stored(name: str, path: Path) -> dict[str, Any]:
    """The same of a model that is only in the store: fetched by its repository, or quantised here."""
    from mellum_lsp.engine.gguf import read_header

    origin = origin_of(name)
    came = f"quantised here from {origin.quantized_from}" if origin and origin.quantized_from else ""
    try:
        context = int(_length(read_header(path).metadata) or 0)
    except EngineError:
        context = 0
    return {
        "name": name,
        "title": came or (f"from {origin.repository}" if origin else "put here by hand"),
        "path": path,
        "repository": origin.repository if origin else "",
        "dialect": "",
        "licence": "",
        "limits": "",
        "context_tokens": context,
        "parameters_billion": None,
        "size_gb": round(path.stat().st_size / 1e9, 2),
        "memory_gb": None,
        "fits": None,
    }


def _length(metadata: Mapping[str, str]) -> str:
    return next((value for key, value in metadata.items() if key.endswith(".context_length")), "")
