"""An importance matrix: how strongly each column of each weight matrix is used, and quantising with it.

For every linear layer the mean square of its inputs over real prompts, as llama.cpp's ``imatrix`` tool
measures it; llama.cpp's quantiser then rounds the columns that matter more carefully.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from training import model as models
from training.gguf_files import tensor_name
from training.shards import Example

Importance = dict[str, np.ndarray]
"""By llama.cpp's tensor name: float32, one value a column."""


@torch.no_grad()
def measure(model: Any, examples: Sequence[Example]) -> Importance:
    """Runs the examples through the model once. Embeddings are looked up, not multiplied: they have none."""
    sums: dict[str, torch.Tensor] = {}
    tokens = 0

    def watch(name: str) -> Any:
        def hook(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            seen = inputs[0].detach().float().reshape(-1, inputs[0].shape[-1])
            sums[name] = sums.get(name, torch.zeros(seen.shape[1])) + seen.square().sum(dim=0).cpu()

        return hook

    linear = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"}
    hooks = [module.register_forward_pre_hook(watch(name)) for name, module in linear.items()]
    model.eval()
    device = next(model.parameters()).device
    for example in examples:
        models.hidden_states(model, torch.from_numpy(example.tokens).to(device), [len(example.tokens)])
        tokens += len(example.tokens)
    for handle in hooks:
        handle.remove()
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    return {
        tensor_name(names, f"{name}.weight"): (total / max(tokens, 1)).numpy().astype(np.float32)
        for name, total in sums.items()
    }


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _SILENT(level: int, text: bytes, data: object) -> None:  # noqa: N802
    """llama.cpp prints a line for each tensor otherwise."""


def quantise(source: Path, target: Path, kind: str, importance: Importance | None = None) -> None:
    """Writes ``source`` as ``kind`` (``Q4_K_M``…); raises `RuntimeError` where llama.cpp cannot."""
    import llama_cpp

    llama_cpp.llama_log_set(_SILENT, None)
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    parameters.nthread = 2
    if importance:
        columns = {n: np.ascontiguousarray(v, dtype=np.float32) for n, v in importance.items()}
        table = (llama_cpp.llama_model_imatrix_data * (len(columns) + 1))()  # the last one ends it
        for place, (name, values) in zip(table, columns.items(), strict=False):
            place.name = name.encode()
            place.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            place.size = len(values)
        parameters.imatrix = table
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), parameters) != 0:
        raise RuntimeError(f"llama.cpp could not quantise {source} to {kind}")
