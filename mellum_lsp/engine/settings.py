"""What a user may choose about the engine; everything has a default that follows from the machine and the
model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """None and ``"auto"`` mean: chosen from the machine and the model.

    ``context_tokens`` is the room for all sequences together and the limit of one prompt with its answer;
    never more than the model was trained for. ``micro_batch_tokens`` is how much of a prompt is evaluated
    at once, which is also how long a GPU keeps computing after an abort. ``sequences`` documents keep their
    own KV cache.
    """

    threads: int | None = None
    context_tokens: int = 4096
    micro_batch_tokens: int | None = None
    gpu_layers: int | Literal["auto"] = "auto"
    sequences: int = 4


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long an engine outlives its use: after its last server has gone, and with servers that ask for
    nothing."""

    idle_seconds: float = 60.0
    unload_seconds: float = 1800.0


def default_micro_batch(model_bytes: int, on_gpu: bool) -> int:
    """Small enough that an abort is noticed in milliseconds, large enough to lose little speed.

    The abort is checked between graph nodes, and the largest matrix product of a micro-batch is one node: at
    64 tokens it takes about 1 ms for a 135M model (at 512: 11 ms, for 6% more speed), longer for a larger.
    A GPU is not interrupted inside a micro-batch, but evaluates hundreds of tokens in a few milliseconds.
    """
    if on_gpu:
        return 512
    return 64 if model_bytes < 600e6 else 32 if model_bytes < 1.5e9 else 16
