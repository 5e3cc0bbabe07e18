"""Looks at everything in turn; what fails becomes a check, never an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mellum_lsp.diagnosis.candidates import Candidate, candidates
from mellum_lsp.diagnosis.check import Check, Status
from mellum_lsp.diagnosis.editors import check_editors
from mellum_lsp.diagnosis.measured import MeasuredModel, measure_model
from mellum_lsp.diagnosis.project import check_project
from mellum_lsp.diagnosis.recommendation import Recommendation, recommend
from mellum_lsp.diagnosis.speed import kept_speed, measure_speed
from mellum_lsp.diagnosis.system import check_file_watching, check_folders, check_hardware, check_software
from mellum_lsp.engine.gguf import check_is_model, read_header
from mellum_lsp.engine.interface import EngineError, ModelInfo
from mellum_lsp.models.catalog import find
from mellum_lsp.models.hardware import measure_hardware
from mellum_lsp.models.resolve import ModelChoice, resolve
from mellum_lsp.models.store import all_pulled

OnProgress = Callable[[str, float], None]
"""Hears what is being done and the fraction that is done of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at. With ``model`` named only that one is measured; ``quick`` measures nothing."""

    model: str | None = None
    quick: bool = False
    target_ms: int = 300
    root: Path = field(default_factory=Path.cwd)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    checks: list[Check]
    candidates: list[Candidate]
    recommendation: Recommendation | None
    target_ms: int

    @property
    def healthy(self) -> bool:
        return all(check.status != "problem" for check in self.checks)


def examine(wanted: Wanted, on_progress: OnProgress = lambda what, fraction: None) -> Diagnosis:
    """Look around, measure what is here, predict what is not."""
    on_progress("looking around", 0.0)
    project = check_project(wanted.root)
    checks = [
        check_software(),
        check_hardware(),
        check_folders(),
        check_file_watching(project.facts["folders"]),
        check_editors(),
        project,
    ]
    measured: dict[Path, MeasuredModel] = {}
    checks.extend(_served(wanted, measured, on_progress))
    if not (wanted.quick or wanted.model):
        checks.extend(_others(wanted, measured, on_progress))
        checks.extend(_machine(on_progress))
    found = candidates(measure_hardware(), kept_speed(), wanted.target_ms, measured)
    return Diagnosis(checks, found, recommend(found, wanted.target_ms), wanted.target_ms)


def _served(wanted: Wanted, measured: dict[Path, MeasuredModel], on_progress: OnProgress) -> Iterator[Check]:
    """The model that serves when nothing else is said: resolved, loaded, measured."""
    try:
        chosen = resolve(wanted.model)
        check_is_model(read_header(chosen.path))
        megabytes = round(chosen.path.stat().st_size / 1e6)
        yield Check(
            "model",
            "ok",
            f"{chosen.name}, {megabytes} MB, {chosen.path}",
            facts={
                "name": chosen.name if find(chosen.name) else "a file of one's own",
                "megabytes": megabytes,
            },
            private={"name": chosen.name, "path": str(chosen.path)},
        )
        if not wanted.quick:
            measured[chosen.path] = found = _measure(chosen, wanted, on_progress)
            yield _speed(found, wanted.target_ms)
            yield _choices(found.info)
    except EngineError as error:
        yield _trouble("model", "problem", error, wanted.model or "")


def _others(wanted: Wanted, measured: dict[Path, MeasuredModel], on_progress: OnProgress) -> Iterator[Check]:
    """The other models of the store, which could serve as well; one that cannot is told."""
    for name, path in all_pulled().items():
        if path in measured:
            continue
        try:
            measured[path] = _measure(ModelChoice(name, path), wanted, on_progress)
        except EngineError as error:
            yield _trouble("stored model", "warning", error, str(path))


def _trouble(name: str, status: Status, error: EngineError, path: str) -> Check:
    message, _, hint = str(error).partition("\nhint: ")
    paths = [str(Path(path).expanduser().absolute()), path] if path else []
    return Check(name, status, message, hint, private={"message": message, "paths": paths})


def _machine(on_progress: OnProgress) -> Iterator[Check]:
    try:
        measure_speed(lambda fraction: on_progress("measuring this machine", fraction))
    except (OSError, EngineError) as error:
        yield Check("predictions", "warning", f"this machine's speed cannot be measured: {error}")


def _measure(chosen: ModelChoice, wanted: Wanted, on_progress: OnProgress) -> MeasuredModel:
    return asyncio.run(
        measure_model(
            chosen.path, wanted.target_ms, lambda fraction: on_progress(f"measuring {chosen.name}", fraction)
        )
    )


def _speed(found: MeasuredModel, target_ms: int) -> Check:
    info, typing, jump = found.info, found.typing_median_ms, found.jump_median_ms
    slow = typing is not None and typing > target_ms
    seen = (f"; measured: a completion in {typing:.0f} ms while typing" if typing is not None else "") + (
        f", {jump:.0f} ms after a jump" if jump is not None else ""
    )
    return Check(
        "speed",
        "warning" if slow else "ok",
        f"a prompt at {info.prefill_tokens_per_second:.0f} and an answer at "
        f"{info.decode_tokens_per_second:.0f} tokens/s, loaded in {found.load_seconds:.1f} s, "
        f"dialect {found.dialect}{seen}",
        f"that is more than {target_ms} ms: choose a smaller model or quantisation, or offload to a GPU"
        if slow
        else "",
        {
            "prefill_tokens_per_second": round(info.prefill_tokens_per_second, 1),
            "decode_tokens_per_second": round(info.decode_tokens_per_second, 1),
            "load_seconds": round(found.load_seconds, 2),
            "measured_typing_ms": [round(one, 1) for one in found.typing_ms],
            "measured_jump_ms": [round(one, 1) for one in found.jump_ms],
            "dialect": found.dialect,
            "context_tokens": info.context_tokens,
        },
    )


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
            "architecture": info.architecture,
            "threads": info.threads,
            "gpu_layers": info.gpu_layers,
            "sequences": info.sequences,
            "micro_batch_tokens": info.micro_batch_tokens,
            "batch_ms": {str(tokens): round(ms, 2) for tokens, ms in info.batch_ms.items()},
        },
    )
