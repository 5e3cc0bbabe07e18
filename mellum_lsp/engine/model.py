"""Loads a GGUF into llama.cpp and says in a sentence why that failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp

from mellum_lsp.engine.adapter import Adapter
from mellum_lsp.engine.gguf import GgufHeader
from mellum_lsp.engine.interface import ModelBroken, ModelError, ModelTooLarge, ModelUnsupported
from mellum_lsp.engine.native_log import native_log
from mellum_lsp.engine.vocabulary import Vocabulary

_SERVABLE_VOCABULARIES = (
    llama_cpp.LLAMA_VOCAB_TYPE_SPM,
    llama_cpp.LLAMA_VOCAB_TYPE_BPE,
    llama_cpp.LLAMA_VOCAB_TYPE_RWKV,
    llama_cpp.LLAMA_VOCAB_TYPE_PLAMO2,
)
"""The others normalise their text, so that a prompt could not be evaluated as it stands."""

_OTHER_MODEL = "hint: see `mellum-lsp models list` for models that are known to work"


class Model:
    """A model in memory, on the GPU as far as asked for and possible."""

    def __init__(self, native: Any, header: GgufHeader, gpu_layers: int):
        self.native = native
        self.header = header
        self.gpu_layers = gpu_layers
        self.vocabulary = Vocabulary(native)
        self.trained_context: int = llama_cpp.llama_model_n_ctx_train(native)
        self.bytes: int = llama_cpp.llama_model_size(native)
        self.keeps_a_state = bool(
            llama_cpp.llama_model_is_recurrent(native) or llama_cpp.llama_model_is_hybrid(native)
        )
        """Recurrent layers: what has been evaluated cannot be cut back or copied in part."""
        self.adapter: Adapter | None = None
        """What every context of the model computes with, from its making on."""

    @property
    def name(self) -> str:
        return self.header.metadata.get("general.name") or self.header.path.stem

    def adapt(self, context: Any) -> None:
        """Let a native context of this model compute with the adapter, where there is one."""
        if self.adapter:
            self.adapter.apply(context)

    def close(self) -> None:
        llama_cpp.llama_model_free(self.native)  # and what was loaded for it


def load_model(
    header: GgufHeader,
    gpu_layers: int = 0,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Model:
    """Load the GGUF that ``header`` describes, with so many layers on the GPU, -1 for all; ``on_progress``
    gets fractions from 0 to 1. Raises `ModelError`."""
    llama_cpp.llama_backend_init()
    native_log.errors.clear()
    native = _load(header.path, gpu_layers, on_progress)
    if not native:
        raise _explain_failure(header.path, list(native_log.errors))
    model = Model(native, header, gpu_layers)
    try:
        _check_servable(model)
    except ModelError:
        model.close()
        raise
    return model


def can_offload() -> bool:
    """Whether this llama.cpp was built with a GPU backend and finds a device."""
    return bool(llama_cpp.llama_supports_gpu_offload())


def _load(path: Path, gpu_layers: int, on_progress: Callable[[float], None]) -> Any:
    def report(fraction: float, _data: object) -> bool:
        on_progress(fraction)
        return True

    parameters = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = gpu_layers
    callback = llama_cpp.llama_progress_callback(report)
    parameters.progress_callback = callback
    overrides = (llama_cpp.llama_model_kv_override * 2)()  # the second, empty one ends the list
    overrides[0].key = b"tokenizer.ggml.add_space_prefix"
    overrides[0].tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_BOOL
    overrides[0].value.val_bool = False
    parameters.kv_overrides = overrides
    return llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)


def _check_servable(model: Model) -> None:
    path, native = model.header.path, model.native
    if not llama_cpp.llama_model_has_decoder(native) or llama_cpp.llama_model_is_diffusion(native):
        raise ModelUnsupported(
            f"{path}: a model of architecture {model.header.architecture!r} does not generate text "
            f"token by token\n{_OTHER_MODEL}"
        )
    if llama_cpp.llama_vocab_type(llama_cpp.llama_model_get_vocab(native)) not in _SERVABLE_VOCABULARIES:
        raise ModelUnsupported(
            f"{path}: a vocabulary of type {model.header.metadata.get('tokenizer.ggml.model')!r} changes "
            f"the text that it tokenises\n{_OTHER_MODEL}"
        )


def _explain_failure(path: Path, errors: list[str]) -> ModelError:
    """llama.cpp returns no reason, it logs one."""
    reason = next((line for line in errors if "unknown" in line), errors[0] if errors else "no reason given")
    reason = reason.rpartition(": error loading model: ")[2]
    if (
        "unknown model architecture" in reason
        or "unknown pre-tokenizer" in reason
        or "unknown tokenizer" in reason
    ):
        return ModelUnsupported(f"{path}: this llama.cpp cannot serve the model: {reason}\n{_OTHER_MODEL}")
    if "allocate" in reason or "out of memory" in reason:
        return ModelTooLarge(
            f"{path}: the model does not fit into memory: {reason}\n"
            "hint: choose a smaller model or quantisation"
        )
    return ModelBroken(
        f"{path}: llama.cpp could not load the model: {reason}\n"
        "hint: download the file again; if it is intact, its conversion is faulty: try another one"
    )
