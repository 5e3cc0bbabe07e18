"""LoRA adapters (Hu et al. 2021) as GGUF: a few megabytes that a model in memory is served with.

For every matrix W that it adapts a file holds ``W.lora_a`` (rank rows) and ``W.lora_b`` (rank columns);
llama.cpp adds a scaled ``B A x`` to ``W x``. `training` writes such files, and llama.cpp's own converter.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp

from mellum_lsp.engine.gguf import GgufHeader, read_header
from mellum_lsp.engine.interface import EngineError, ModelUnsupported
from mellum_lsp.engine.native_log import native_log

_A, _B = ".lora_a", ".lora_b"
_EMBEDDINGS = "token_embd.weight"
_ITS_MODEL = "hint: an adapter serves only the model that it was tuned for, in any quantisation"


class Adapter:
    """An adapter in memory; llama.cpp frees it with its model."""

    def __init__(self, native: Any, path: Path) -> None:
        self.path = path
        self._adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(native)
        self._scales = (ctypes.c_float * 1)(1.0)

    def apply(self, context: Any) -> None:
        """Let a native context of the model compute with it. Raises `EngineError` where that is refused."""
        if llama_cpp.llama_set_adapters_lora(context, self._adapters, 1, self._scales):
            raise EngineError(f"{self.path}: llama.cpp could not use the adapter\nhint: see the engine's log")


def read_adapter(path: Path, model: GgufHeader) -> GgufHeader:
    """The header of the adapter at ``path``, which fits the model.

    Raises `ModelMissing` and `ModelBroken` as `read_header`, `ModelUnsupported` for what is no adapter or not
    this model's.
    """
    header = read_header(path)
    if header.metadata.get("adapter.type") != "lora":
        kind = header.metadata.get("general.type", "model")
        raise ModelUnsupported(f"{path}: this GGUF is of type {kind!r}, not a LoRA adapter\n{_ITS_MODEL}")
    if problem := _misfit(header, model):
        raise ModelUnsupported(f"{path}: the adapter does not fit {model.path.name}: {problem}\n{_ITS_MODEL}")
    return header


def load_adapter(native_model: Any, header: GgufHeader) -> Adapter:
    """Load what `read_adapter` found good. Raises `ModelUnsupported` where llama.cpp does not take it."""
    native_log.errors.clear()
    native = llama_cpp.llama_adapter_lora_init(native_model, str(header.path).encode())
    if not native:
        reason = native_log.errors[0] if native_log.errors else "no reason given"
        raise ModelUnsupported(f"{header.path}: llama.cpp could not load the adapter: {reason}\n{_ITS_MODEL}")
    if llama_cpp.llama_adapter_get_alora_n_invocation_tokens(native):
        raise ModelUnsupported(
            f"{header.path}: this adapter waits for tokens that invoke it, which no prompt here has\n"
            "hint: use a LoRA without invocation tokens"
        )
    return Adapter(native, header.path)


def _misfit(adapter: GgufHeader, model: GgufHeader) -> str:
    """What keeps an adapter from a model, "" where nothing does."""
    if adapter.architecture != model.architecture:
        return f"it is for the architecture {adapter.architecture!r}, the model is {model.architecture!r}"
    for name, (width, *_) in adapter.shapes.items():
        adapted = name.removesuffix(_A).removesuffix(_B)
        if adapted == name or adapted not in model.shapes:
            return f"the model has no tensor for its {name}"
        shape = model.shapes[adapted]
        if name.endswith(_A) and adapted != _EMBEDDINGS and width != shape[0]:
            return f"its {name} takes {width} inputs, the model's matrix {shape[0]}"
        if name.endswith(_B) and adapted != _EMBEDDINGS and adapter.shapes[name][1] != shape[1]:
            return f"its {name} has {adapter.shapes[name][1]} outputs, the model's matrix {shape[1]}"
    return "" if adapter.shapes else "it holds no tensors"
