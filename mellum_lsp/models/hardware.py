"""What this machine has for a model: cores, memory and the GPUs that this build of llama.cpp can use."""

from __future__ import annotations

import ctypes
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

_GPU_KINDS = (1, 2)
"""ggml's device types for a graphics card and for one that shares the machine's memory."""
_CGROUP = Path("/sys/fs/cgroup")
_COMPUTE_BYTES = 256 * 1024**2
"""Buffers beside weights and KV cache; llama.cpp's own estimate for small batches lies below this."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device of llama.cpp's; memory in bytes."""

    name: str
    description: str
    memory_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """Cores that this process may use, memory in bytes that it may use and that is free now."""

    physical_cores: int
    logical_cores: int
    memory_bytes: int
    free_memory_bytes: int
    gpus: tuple[Gpu, ...] = ()

    def summary(self) -> str:
        """One line for people."""
        gpus = ", ".join(f"{gpu.description} ({_gib(gpu.memory_bytes)})" for gpu in self.gpus)
        return (
            f"{self.physical_cores} cores ({self.logical_cores} threads), {_gib(self.memory_bytes)} memory "
            f"({_gib(self.free_memory_bytes)} free), {gpus or 'no GPU that this llama.cpp can use'}"
        )

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self)


def measure_hardware() -> Hardware:
    """Looks at the machine and at the limits of a container around us."""
    logical = _usable_cores()
    physical = min(psutil.cpu_count(logical=False) or logical, logical)
    memory = psutil.virtual_memory()
    limit = _container_memory()
    total = min(memory.total, limit) if limit else memory.total
    return Hardware(physical, logical, total, min(memory.available, total), _gpus())


def memory_needed(file_bytes: int, kv_bytes_per_token: int, context_tokens: int) -> int:
    """Bytes that a model takes when it serves: weights, KV cache of one full context, buffers."""
    return file_bytes + kv_bytes_per_token * context_tokens + _COMPUTE_BYTES


def _usable_cores() -> int:
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        cores = os.cpu_count() or 1
    quota = _container_cores()
    return max(1, min(cores, quota)) if quota else cores


def _container_cores(cgroup: Path = _CGROUP) -> int | None:
    """Whole cores that the container's quota (cgroup v2: ``QUOTA PERIOD``) comes to."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return round(int(quota) / int(period))
    except (OSError, ValueError):  # no container, or the quota is "max"
        return None


def _container_memory(cgroup: Path = _CGROUP) -> int | None:
    try:
        return int((cgroup / "memory.max").read_text())
    except (OSError, ValueError):
        return None


def _gpus() -> tuple[Gpu, ...]:
    """llama.cpp lists its devices only through ggml's C interface; without it there is nothing to report."""
    try:
        import llama_cpp
        from llama_cpp import _ggml

        if not llama_cpp.llama_supports_gpu_offload():
            return ()
        return tuple(_read_gpus(_ggml.libggml))
    except (ImportError, AttributeError, OSError):
        return ()


def _read_gpus(ggml: Any) -> list[Gpu]:
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    device_of = ggml.ggml_backend_dev_get
    device_of.argtypes, device_of.restype = [ctypes.c_size_t], ctypes.c_void_p
    for function in (ggml.ggml_backend_dev_name, ggml.ggml_backend_dev_description):
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_char_p
    ggml.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    size_pointer = ctypes.POINTER(ctypes.c_size_t)
    ggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size_pointer, size_pointer]
    gpus = []
    for index in range(ggml.ggml_backend_dev_count()):
        device = device_of(index)
        if ggml.ggml_backend_dev_type(device) not in _GPU_KINDS:
            continue
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        name = ggml.ggml_backend_dev_name(device).decode(errors="replace")
        description = ggml.ggml_backend_dev_description(device).decode(errors="replace")
        gpus.append(Gpu(name, description, total.value, free.value))
    return gpus


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
