"""What this machine has for a model: cores, memory and the GPUs that this build of llama.cpp can use."""

from __future__ import annotations

import ctypes
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mellum_lsp import machine

_GPU_KINDS = (1, 2)
"""ggml's device types for a graphics card and for one that shares the machine's memory."""
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
    processor: str = ""

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
    cores, memory = machine.cores(), machine.memory()
    return Hardware(cores.physical, cores.logical, memory.total, memory.available, _gpus(), processor_name())


def processor_name() -> str:
    """What the processor is called; its architecture where it has no name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@dataclass(frozen=True, slots=True)
class LlamaBuild:
    """The llama.cpp that is installed: its features as it names them, such as ``AVX512``, and whether it can
    use a GPU at all."""

    version: str
    features: tuple[str, ...]
    supports_gpu: bool


def llama_build() -> LlamaBuild:
    """Asks llama.cpp itself."""
    import llama_cpp

    said = llama_cpp.llama_print_system_info().decode("utf-8", errors="replace")
    pairs = (feature.partition("=") for feature in said.replace(":", "|").split("|"))
    features = tuple(name.strip() for name, _, value in pairs if value.strip() not in ("", "0"))
    return LlamaBuild(llama_cpp.__version__, features, bool(llama_cpp.llama_supports_gpu_offload()))


def memory_needed(file_bytes: int, kv_bytes_per_token: int, context_tokens: int) -> int:
    """Bytes that a model takes when it serves: weights, KV cache of one full context, buffers."""
    return file_bytes + kv_bytes_per_token * context_tokens + _COMPUTE_BYTES


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
