"""``mellum-lsp models list`` and ``show``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from mellum_lsp.cli.output import json_option, print_json
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.diagnosis.candidates import Candidate, candidates
from mellum_lsp.diagnosis.speed import kept_speed
from mellum_lsp.engine.interface import EngineError
from mellum_lsp.models.catalog import CatalogModel, catalog, find
from mellum_lsp.models.hardware import Hardware, measure_hardware
from mellum_lsp.models.store import all_pulled, origin_of

TARGET_MS = CompletionSettings().latency_target_ms
_WIDE = 120
"""Columns of a terminal that has room for what a model is."""


@click.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the models that are known by name or stored here, and whether this machine can serve them.

    Speeds are those that `mellum-lsp doctor` predicted or measured last.

    Example: mellum-lsp models list --json
    """
    rows = _rows(measure_hardware())
    if as_json:
        print_json({"target_ms": TARGET_MS, "models": rows})
        return
    console = Console(highlight=False)
    wide = console.width >= _WIDE
    table = Table(Column("name", no_wrap=True), "here", box=None)
    for name in ("GB", "memory", "a line"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("licence", *(["what it is"] if wide else [])):
        table.add_column(name)
    for row in rows:
        table.add_row(*_cells(row), *([row["title"]] if wide else []))
    console.print(table)
    for row in rows:
        if row["limits"]:
            console.print(f"[yellow]*[/] {row['name']}: {row['limits']}")
    if not any(row["line_ms"] for row in rows):
        console.print(
            "How fast they would be here is told once `mellum-lsp doctor` has measured this machine."
        )
    else:
        console.print(f"~ is predicted; ✗ misses the {TARGET_MS} ms that a line may take while typing.")
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
    rows = {row["name"]: row for row in _rows(measure_hardware())}
    row = rows.get(name.lower())
    if row is None:
        raise click.BadParameter(
            f"there is no model called {name!r}; there are {', '.join(rows)}", param_hint="NAME"
        )
    if as_json:
        print_json(row)
        return
    width = max(map(len, row))
    for field, value in row.items():
        if value not in (None, ""):
            click.echo(f"{field:{width}}  {value}")


def _rows(hardware: Hardware) -> list[dict[str, Any]]:
    """What there is to say of each model here, of the catalogue's in its order."""
    known = candidates(hardware, kept_speed(), TARGET_MS)
    told = {one.name: one for one in known if not one.quantise}
    rows = [{**_of_catalog(model), **_here(told[model.name], hardware)} for model in catalog()]
    stored = {name: path for name, path in all_pulled().items() if find(name) is None}
    return rows + [{**_of_file(name, path), **_here(told[name], hardware)} for name, path in stored.items()]


def _of_catalog(model: CatalogModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "title": model.title,
        "repository": model.repository,
        "dialect": model.dialect,
        "licence": model.licence,
        "limits": model.limits,
        "context_tokens": model.context_tokens,
        "parameters_billion": model.parameters_billion,
        "quantisation": model.quantisation,
    }


def _of_file(name: str, path: Path) -> dict[str, Any]:
    """A model that is only in the store: fetched by its repository, or quantised here."""
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
        "repository": origin.repository if origin else "",
        "dialect": "",
        "licence": "",
        "limits": "",
        "context_tokens": context,
        "parameters_billion": None,
        "quantisation": "",
    }


def _here(one: Candidate, hardware: Hardware) -> dict[str, Any]:
    """How the model does on this machine; ``fits`` and ``meets_target`` are None where that is not known."""
    return {
        "path": one.path,
        "size_gb": one.size_gb,
        "memory_gb": one.memory_gb,
        "fits": one.fits,
        "line_ms": None if one.line_ms is None else round(one.line_ms),
        "prefill_tokens_per_second": None if one.speed is None else round(one.speed.prefill, 1),
        "decode_tokens_per_second": None if one.speed is None else round(one.speed.decode, 1),
        "speed_source": one.source,
        "meets_target": one.verdict(TARGET_MS) if one.speed else None,
        "why": _why(one, hardware),
    }


def _why(one: Candidate, hardware: Hardware) -> str:
    """In a sentence, why it can or cannot serve here."""
    if one.memory_gb is None:
        memory = "its memory need is not known"
    else:
        relation = "does not fit into" if one.fits is False else "fits into"
        memory = f"it needs {one.memory_gb:.1f} GB, which {relation} {hardware.memory_bytes / 1e9:.1f} GB"
    if one.line_ms is None:
        return memory
    verdicts = {"yes": "fast enough", "close": "perhaps fast enough", "no": "too slow", None: ""}
    how = "predicted to take" if one.source == "predicted" else "measured to take"
    return (
        f"{memory}; a line while typing is {how} {one.line_ms:,.0f} ms, {verdicts[one.verdict(TARGET_MS)]} "
        f"for {TARGET_MS} ms"
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.1f}"

    memory = number(row["memory_gb"])
    line = "" if row["line_ms"] is None else f"~{row['line_ms']:,} ms"
    return (
        row["name"],
        "✓" if row["path"] else "",
        number(row["size_gb"]),
        f"[red]{memory} ✗[/]" if row["fits"] is False else memory,
        f"[red]{line} ✗[/]" if row["meets_target"] == "no" else line,
        row["licence"] + (" [yellow]*[/]" if row["limits"] else ""),
    )


def _length(metadata: Mapping[str, str]) -> str:
    return next((value for key, value in metadata.items() if key.endswith(".context_length")), "")
