"""What the machine is said to have."""

from __future__ import annotations

import ctypes
import json

from mellum_lsp.models import hardware
from mellum_lsp.models.hardware import Gpu, Hardware, measure_hardware, memory_needed

GIB = 1024**3


def test_this_machine_has_cores_and_memory() -> None:
    found = measure_hardware()
    assert 1 <= found.physical_cores <= found.logical_cores
    assert 0 < found.free_memory_bytes <= found.memory_bytes
    json.dumps(found.facts())


def test_the_summary_is_a_line_for_people() -> None:
    machine = Hardware(4, 8, 16 * GIB, 3 * GIB)
    assert machine.summary() == (
        "4 cores (8 threads), 16.0 GiB memory (3.0 GiB free), no GPU that this llama.cpp can use"
    )
    with_gpu = Hardware(4, 8, 16 * GIB, 3 * GIB, (Gpu("CUDA0", "A Card", 8 * GIB, 7 * GIB),))
    assert with_gpu.summary().endswith("A Card (8.0 GiB)")


def test_a_model_needs_weights_kv_cache_and_buffers() -> None:
    mellum_4b = memory_needed(4_300_000_000, 30 * 24 * 128 * 2 * 2, 8192)
    assert 7.0 * GIB < mellum_4b < 7.2 * GIB


def test_only_graphics_devices_are_listed() -> None:
    class Function:
        def __init__(self, call: object) -> None:
            self.call = call

        def __call__(self, *arguments: object) -> object:
            return self.call(*arguments)

    def write_memory(device: int, free: object, total: object) -> None:
        ctypes.cast(free, ctypes.POINTER(ctypes.c_size_t))[0] = 5 * device
        ctypes.cast(total, ctypes.POINTER(ctypes.c_size_t))[0] = 9 * device

    class Ggml:
        ggml_backend_dev_count = Function(lambda: 3)
        ggml_backend_dev_get = Function(lambda index: index)
        ggml_backend_dev_name = Function(lambda device: f"dev{device}".encode())
        ggml_backend_dev_description = Function(lambda device: f"Device {device}".encode())
        ggml_backend_dev_type = Function(lambda device: device)  # 0 CPU, 1 GPU, 2 integrated GPU
        ggml_backend_dev_memory = Function(write_memory)

    assert hardware._read_gpus(Ggml) == [Gpu("dev1", "Device 1", 9, 5), Gpu("dev2", "Device 2", 18, 10)]
