"""What a user may choose about the engine; everything has a default that follows from the machine and the
model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """None and ``"auto"`` mean: chosen from the machine and the model, by measurement where that helps.

    ``context_tokens`` is the limit of one prompt with its answer, never more than the model was trained for;
    as many have each of ``sequences``. ``micro_batch_tokens`` is how much of a prompt is evaluated at once,
    which is also how long a GPU keeps computing after an abort. ``keep_states`` lets what was evaluated
    outlive the engine, on disk: it is derived from source text.
    ``gpu_layers`` "auto" puts as many layers on a GPU as fit. ``drafts`` may be evaluated ahead where that
    pays. ``memory_bytes`` is the most that the engine may take, by default what is free when it starts.
    ``lora`` is the path of an adapter (GGUF) that the model is served with.
    """

    threads: int | None = None
    context_tokens: int | None = None
    micro_batch_tokens: int | None = None
    gpu_layers: int | Literal["auto"] = "auto"
    sequences: int = 4
    drafts: bool = True
    keep_states: bool = True
    memory_bytes: int | None = None
    lora: str | None = None


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long an engine outlives its use: after its last server has gone, and with servers that ask for
    nothing."""

    idle_seconds: float = 60.0
    unload_seconds: float = 1800.0
