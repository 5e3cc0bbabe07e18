"""How fast this machine evaluates weights: measured with models of random weights, kept for later commands.

Small models are written, loaded and timed by the engine itself: two wide layers in each of the
quantisations that catalogue models come in, which tell what a weight costs, and many thin layers, which tell
what a layer costs beside its weights (starting threads, normalisation, attention). From these
`mellum_lsp.diagnosis.prediction` tells the speed of a model that is not here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path

import msgspec
from platformdirs import user_cache_path

from mellum_lsp import machine
from mellum_lsp.diagnosis.random_model import Kind, Shape, write_random_model
from mellum_lsp.engine.batch_costs import BatchCosts
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.private_files import write_private
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.engine.tuning import SMALLEST_BATCH

KINDS: tuple[Kind, ...] = ("Q4_0", "Q4_K_M", "Q8_0")
WIDE = Shape(layers=2, hidden=2048, heads=16, kv_heads=16, feed_forward=5632, vocabulary=512, context=1024)
THIN = Shape(layers=32, hidden=256, heads=4, kv_heads=4, feed_forward=256, vocabulary=512, context=1024)
_ROUNDS = 2
"""The engine keeps the best time of each batch over its starts, also those of earlier commands."""


class WeightSpeed(msgspec.Struct, frozen=True):
    """Nanoseconds that a weight costs for one token: decoded alone, or evaluated among a prompt's."""

    decode_ns: float
    prefill_ns: float


class MachineSpeed(msgspec.Struct, frozen=True):
    """By quantisation, and milliseconds that a layer costs beside its weights, for a batch of one token and
    for one of `SMALLEST_BATCH`. ``measured_at`` is in seconds since 1970."""

    weights: dict[str, WeightSpeed]
    layer_decode_ms: float
    layer_prefill_ms: float
    machine: str
    measured_at: float


def measure_speed(on_progress: Callable[[float], None] = lambda fraction: None) -> MachineSpeed:
    """Measure anew, some seconds long, and keep it. Raises `OSError` and `EngineError`.

    Other programs that use the processor make it look slower; what was measured of the same machine in a
    quieter moment counts.
    """
    with tempfile.TemporaryDirectory(prefix="mellum-speed-") as folder:
        probes = {kind: write_random_model(Path(folder, f"{kind}.gguf"), WIDE, kind=kind) for kind in KINDS}
        thin = write_random_model(Path(folder, "thin.gguf"), THIN, kind="Q8_0")
        files = [*probes.values(), thin]
        costs: dict[Path, BatchCosts] = {}
        for number, path in enumerate(files * _ROUNDS):
            on_progress(number / (len(files) * _ROUNDS))
            costs[path] = asyncio.run(_batch_costs(path))
    speed = _speed_from({kind: costs[path] for kind, path in probes.items()}, costs[thin])
    with contextlib.suppress(OSError):
        write_private(_kept(), msgspec.json.encode(speed))
    on_progress(1.0)
    return speed


def kept_speed() -> MachineSpeed | None:
    """What was measured last; None where that was never, or on another machine or llama.cpp."""
    try:
        speed = msgspec.json.decode(_kept().read_bytes(), type=MachineSpeed)
    except (OSError, msgspec.DecodeError):
        return None
    return speed if speed.machine == _machine() else None


async def _batch_costs(path: Path) -> BatchCosts:
    engine = LlamaEngine(path, EngineSettings(sequences=1, keep_states=False))
    try:
        return BatchCosts((await engine.start()).batch_ms)
    finally:
        await engine.close()


def _speed_from(wide: dict[Kind, BatchCosts], thin: BatchCosts) -> MachineSpeed:
    weights = {
        str(kind): WeightSpeed(
            costs.milliseconds(1) * 1e6 / WIDE.block_weights,
            costs.milliseconds(SMALLEST_BATCH) * 1e6 / SMALLEST_BATCH / WIDE.block_weights,
        )
        for kind, costs in wide.items()
    }
    own = weights["Q8_0"]
    decode = thin.milliseconds(1) - own.decode_ns * THIN.block_weights / 1e6
    prefill = thin.milliseconds(SMALLEST_BATCH) - SMALLEST_BATCH * own.prefill_ns * THIN.block_weights / 1e6
    return MachineSpeed(
        weights, max(0.0, decode) / THIN.layers, max(0.0, prefill) / THIN.layers, _machine(), time.time()
    )


def _kept() -> Path:
    return user_cache_path("mellum-lsp", appauthor=False) / "speed.json"


def _machine() -> str:
    """A digest of what the measurement holds for."""
    from mellum_lsp.models.hardware import processor_name

    identity = (*astuple(machine.cores()), processor_name(), version("llama-cpp-python"))
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
