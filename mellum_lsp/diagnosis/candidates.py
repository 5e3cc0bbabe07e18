"""Every model that could serve here: what it needs, how fast it is or would be, whether that is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mellum_lsp.diagnosis.measured import MeasuredModel
from mellum_lsp.diagnosis.prediction import Speed, Verdict, Waiting, predict_speed, waiting
from mellum_lsp.diagnosis.speed import MachineSpeed
from mellum_lsp.models.catalog import CatalogModel, catalog, find
from mellum_lsp.models.hardware import Hardware, memory_needed
from mellum_lsp.models.quantize import BITS_PER_WEIGHT
from mellum_lsp.models.resolve import embedded_model_path
from mellum_lsp.models.store import all_pulled, pulled

SMALLER = "Q4_K_M"
"""What a Q8_0 file is best quantised to: little is lost, and nearly half of the time is won."""
_SERVED_CONTEXT = 4096
"""The context for which the memory need is told: what the engine makes room for when nothing is said."""

Source = Literal["measured", "predicted", ""]


@dataclass(frozen=True, slots=True)
class Candidate:
    """``quantise`` where the file must still be quantised to ``quantisation`` here.

    Sizes in 10^9 bytes; ``fits`` tells whether ``memory_gb`` are there at all, None where the need is not
    known. ``source`` says where ``speed`` and ``waiting`` come from; ``typing_ms`` and ``jump_ms`` are
    medians of real completions.
    """

    name: str
    quantisation: str
    parameters_billion: float | None
    path: Path | None = None
    quantise: bool = False
    size_gb: float | None = None
    memory_gb: float | None = None
    fits: bool | None = None
    limits: str = ""
    preferred: bool = False
    source: Source = ""
    speed: Speed | None = None
    waiting: Waiting | None = None
    typing_ms: float | None = None
    jump_ms: float | None = None

    @property
    def line_ms(self) -> float | None:
        """Milliseconds until a line is there while typing: as seen, else as reckoned."""
        if self.typing_ms is not None:
            return self.typing_ms
        return self.waiting.typing_ms if self.waiting else None

    def verdict(self, target_ms: float) -> Verdict | None:
        """Whether it meets the target here, None where nothing is known of its speed. What was measured need
        not be allowed for."""
        if self.fits is False:
            return "no"
        if self.typing_ms is not None:
            return "yes" if self.typing_ms <= target_ms else "no"
        return self.waiting.verdict(target_ms) if self.waiting else None


def candidates(
    hardware: Hardware,
    machine: MachineSpeed | None,
    target_ms: float,
    measured: Mapping[Path, MeasuredModel] | None = None,
) -> list[Candidate]:
    """The catalogue's models, those made smaller here, and what else the store holds.

    ``machine`` lets speeds be predicted; a model in ``measured`` (by its file) is told by that.
    """
    found = [one for model in catalog() for one in _of_catalog(model, hardware, machine, target_ms)]
    found += [_stored(name, path) for name, path in all_pulled().items() if find(name) is None]
    return [_with_measurement(one, measured or {}, target_ms) for one in found]


def file_of(model: CatalogModel) -> Path | None:
    """Where the model's file is on this machine, None where it is not."""
    path = embedded_model_path() if model.embedded else pulled(model.name)
    return path if path and path.is_file() else None


def memory_bytes(model: CatalogModel, size: int | None) -> int | None:
    """What the model takes when it serves from a file of ``size`` bytes; None where too little is known."""
    if not size or not model.kv_bytes_per_token:
        return None
    return memory_needed(size, model.kv_bytes_per_token, min(_SERVED_CONTEXT, model.context_tokens))


def _of_catalog(
    model: CatalogModel, hardware: Hardware, machine: MachineSpeed | None, target_ms: float
) -> Iterator[Candidate]:
    path = file_of(model)
    size = path.stat().st_size if path else None if model.size_gb is None else int(model.size_gb * 1e9)
    yield _candidate(model, model.quantisation, path, size, hardware, machine, target_ms)
    made = f"{model.name}-{SMALLER.lower()}"
    if model.quantisation == "Q8_0" and model.width % 256 == 0 and not pulled(made):
        smaller = int(model.parameters_billion * 1e9 * BITS_PER_WEIGHT[SMALLER] / 8)
        one = _candidate(model, SMALLER, None, smaller, hardware, machine, target_ms)
        yield replace(one, quantise=True)


def _candidate(
    model: CatalogModel,
    quantisation: str,
    path: Path | None,
    size: int | None,
    hardware: Hardware,
    machine: MachineSpeed | None,
    target_ms: float,
) -> Candidate:
    need = memory_bytes(model, size)
    speed = predict_speed(model, machine, quantisation) if machine and _is_whole(size, hardware) else None
    return Candidate(
        name=model.name,
        quantisation=quantisation,
        parameters_billion=model.parameters_billion,
        path=path,
        size_gb=None if size is None else round(size / 1e9, 2),
        memory_gb=None if need is None else round(need / 1e9, 2),
        fits=None if need is None else need <= hardware.memory_bytes,
        limits=model.limits,
        preferred=model.preferred,
        source="predicted" if speed else "",
        speed=speed,
        waiting=waiting(speed, model.context_tokens, target_ms) if speed else None,
    )


def _is_whole(size: int | None, hardware: Hardware) -> bool:
    """Whether all of a model is in one place: partly on a GPU its speed is not predicted."""
    return not hardware.gpus or size is None or size < max(gpu.free_bytes for gpu in hardware.gpus)


def _stored(name: str, path: Path) -> Candidate:
    return Candidate(name, "", None, path, size_gb=round(path.stat().st_size / 1e9, 2))


def _with_measurement(one: Candidate, measured: Mapping[Path, MeasuredModel], target_ms: float) -> Candidate:
    found = measured.get(one.path) if one.path else None
    if found is None:
        return one
    info = found.info
    speed = Speed(info.prefill_tokens_per_second, info.decode_tokens_per_second)
    return replace(
        one,
        source="measured",
        fits=True,
        speed=speed,
        waiting=waiting(speed, info.context_tokens, target_ms),
        typing_ms=found.typing_median_ms,
        jump_ms=found.jump_median_ms,
    )
