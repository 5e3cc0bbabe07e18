"""What a user may choose about the engine; everything has a default that follows from the machine and the
model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
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


def default_threads() -> int:
    """The number of physical cores that this process may use.

    A second thread on the same core makes matrix products slower, not faster.
    """
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = {_siblings(cpu) for cpu in usable}
    return max(1, min(len(cores), _quota() or len(cores)))


def default_micro_batch(model_bytes: int, on_gpu: bool) -> int:
    """Small enough that an abort is noticed in milliseconds, large enough to lose little speed.

    The abort is checked between graph nodes, and the largest matrix product of a micro-batch is one node: at
    64 tokens it takes about 1 ms for a 135M model (at 512: 11 ms, for 6% more speed), longer for a larger.
    A GPU is not interrupted inside a micro-batch, but evaluates hundreds of tokens in a few milliseconds.
    """
    if on_gpu:
        return 512
    return 64 if model_bytes < 600e6 else 32 if model_bytes < 1.5e9 else 16


def _siblings(cpu: int) -> str:
    """The hardware threads of the core that ``cpu`` belongs to, as the kernel writes them; itself where
    unknown."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _quota() -> int | None:
    """Whole CPUs that a container's control group grants, None where there is no limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None
