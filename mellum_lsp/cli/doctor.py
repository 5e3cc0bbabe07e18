"""``mellum-lsp doctor``: is everything here that a completion needs, and how fast will it be?"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.table import Table

from mellum_lsp import __version__
from mellum_lsp.cli.output import json_option, print_json, progress_bar
from mellum_lsp.engine.interface import EngineError, ModelInfo

EDITORS = ("nvim", "code", "codium", "hx", "emacs")
PROMPT_TOKENS, GENERATED_TOKENS = 512, 12
"""The completion whose time is predicted: a prompt evaluated from nothing, and one line decoded."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``facts`` are figures for ``--json``; ``hint`` says what to do about a problem."""

    name: str
    status: Literal["ok", "warning", "problem"]
    detail: str
    hint: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@click.command()
@click.option("--model", help="A catalogue name or a path to a .gguf.")
@json_option
def doctor(model: str | None, as_json: bool) -> None:
    """Check this installation and measure the model on this machine.

    Example: mellum-lsp doctor
    """
    checks = []
    with progress_bar("looking around", shown=not as_json) as progress:
        for look in (_software, _hardware, _folders, _file_watching, _editors):
            checks.append(look())
        checks.extend(_model(model, progress))
    healthy = all(check.status != "problem" for check in checks)
    if as_json:
        print_json({"version": __version__, "healthy": healthy, "checks": checks})
    else:
        _print(checks)
    if not healthy:
        raise SystemExit(1)


def _software() -> Check:
    import llama_cpp

    features = _llama_features(llama_cpp)
    return Check(
        "software",
        "ok",
        f"mellum-lsp {__version__}, Python {platform.python_version()}, "
        f"llama-cpp-python {llama_cpp.__version__}",
        facts={
            "python": platform.python_version(),
            "llama_cpp_python": llama_cpp.__version__,
            "platform": platform.platform(),
            "llama_features": features,
        },
    )


def _llama_features(llama_cpp: Any) -> list[str]:
    """The build features that llama.cpp names, such as ``AVX512 = 1``."""
    text = llama_cpp.llama_print_system_info().decode("utf-8", errors="replace")
    return [feature.strip() for feature in text.replace(":", "|").split("|") if "=" in feature]


def _hardware() -> Check:
    from mellum_lsp.models.hardware import measure_hardware

    hardware = measure_hardware()
    return Check("hardware", "ok", hardware.summary(), facts=hardware.facts())


def _folders() -> Check:
    from platformdirs import PlatformDirs

    from mellum_lsp.engine.rendezvous import private_folder

    directories = PlatformDirs("mellum-lsp", appauthor=False)
    named = {
        "cache": Path(directories.user_cache_dir),
        "state": Path(directories.user_state_dir),
        "data": Path(directories.user_data_dir),
    }
    unwritable = [f"{name} ({path})" for name, path in named.items() if not _writable(path)]
    facts = {name: str(path) for name, path in named.items()}
    if unwritable:
        return Check(
            "folders",
            "warning",
            f"cannot write: {', '.join(unwritable)}",
            "completion works without them; give yourself write permission to keep index, log and metrics",
            facts,
        )
    try:
        facts["runtime"] = str(private_folder())
    except OSError as error:
        return Check(
            "folders",
            "warning",
            f"editors cannot share an engine, each has its own: {error}",
            "set XDG_RUNTIME_DIR to a folder that only you can use",
            facts,
        )
    return Check(
        "folders", "ok", f"log and metrics in {named['state']}, index in {named['cache']}", facts=facts
    )


def _writable(path: Path) -> bool:
    """Whether ``path`` is, or could be made, a folder that we may write to."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _file_watching() -> Check:
    limit = Path("/proc/sys/fs/inotify/max_user_watches")
    try:
        watches = int(limit.read_text())
    except (OSError, ValueError):
        return Check("file watching", "ok", f"the system's own ({sys.platform})")
    if watches < 65_536:
        return Check(
            "file watching",
            "warning",
            f"inotify allows {watches} watches: large projects are polled instead",
            "sudo sysctl fs.inotify.max_user_watches=524288",
            {"max_user_watches": watches},
        )
    return Check("file watching", "ok", f"inotify, {watches} watches", facts={"max_user_watches": watches})


def _editors() -> Check:
    found = {name: path for name in EDITORS if (path := shutil.which(name))}
    if not found:
        return Check("editors", "ok", "none found on PATH", "set-up for each is in editor-configs/")
    return Check("editors", "ok", ", ".join(found), facts=found)


def _model(choice: str | None, progress: Callable[[float], None]) -> Iterator[Check]:
    """Resolve, load and measure the model; each step is a check, and a failed one is the last."""
    from mellum_lsp.engine.llama import LlamaEngine
    from mellum_lsp.engine.settings import EngineSettings
    from mellum_lsp.models.resolve import resolve
    from mellum_lsp.prompt.dialects import Vocabulary, choose

    async def load(path: Path) -> list[Check]:
        engine = LlamaEngine(path, EngineSettings(), log_file=None)
        try:
            info = await engine.start(progress)
        finally:
            await engine.close()
        dialect = choose(Vocabulary(info.markers, info.metadata))
        prefill, decode = info.prefill_tokens_per_second, info.decode_tokens_per_second
        cold_ms = 1000 * (PROMPT_TOKENS / prefill + GENERATED_TOKENS / decode)
        warm_ms = 1000 * (2 / prefill + GENERATED_TOKENS / decode)
        speed = Check(
            "speed",
            "ok" if warm_ms < 500 else "warning",
            f"prefill {prefill:.0f} and decode {decode:.0f} tokens/s: a line in about {warm_ms:.0f} ms while "
            f"typing, {cold_ms:.0f} ms after a jump; dialect {dialect.name}",
            "" if warm_ms < 500 else "choose a smaller model or quantisation, or offload to a GPU",
            {
                "prefill_tokens_per_second": round(prefill, 1),
                "decode_tokens_per_second": round(decode, 1),
                "predicted_typing_ms": round(warm_ms),
                "predicted_cold_ms": round(cold_ms),
                "dialect": dialect.name,
                "context_tokens": info.context_tokens,
            },
        )
        return [speed, _choices(info)]

    try:
        chosen = resolve(choice)
        megabytes = chosen.path.stat().st_size / 1e6
        facts = {"name": chosen.name, "path": str(chosen.path), "megabytes": round(megabytes)}
        yield Check("model", "ok", f"{chosen.name}, {megabytes:.0f} MB, {chosen.path}", facts=facts)
        yield from asyncio.run(load(chosen.path))
    except EngineError as error:
        message, _, hint = str(error).partition("\nhint: ")
        yield Check("model", "problem", message, hint)


def _choices(info: ModelInfo) -> Check:
    """What the engine chose for this machine, and by which measurements."""
    layers = {0: "no layers on a GPU", -1: "all layers on the GPU"}
    costs = ", ".join(f"{tokens}: {ms:.0f}" for tokens, ms in info.batch_ms.items())
    return Check(
        "engine",
        "ok",
        f"{info.threads} threads, {layers.get(info.gpu_layers, f'{info.gpu_layers} layers on the GPU')}, "
        f"{info.sequences} sequences of {info.context_tokens} tokens, prompts in micro-batches of "
        f"{info.micro_batch_tokens}; milliseconds by the tokens in a batch: {costs}",
        facts={
            "threads": info.threads,
            "gpu_layers": info.gpu_layers,
            "sequences": info.sequences,
            "micro_batch_tokens": info.micro_batch_tokens,
            "batch_ms": {str(tokens): round(ms, 2) for tokens, ms in info.batch_ms.items()},
        },
    )


def _print(checks: list[Check]) -> None:
    marks = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for check in checks:
        table.add_row(marks[check.status], check.name, check.detail)
        if check.hint:
            table.add_row("", "", f"[dim]hint: {check.hint}[/]")
    Console(highlight=False).print(table)
