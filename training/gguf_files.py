"""GGUF files of models and adapters, under llama.cpp's names and in its layout.

Vocabulary and merges come from the base GGUF itself, so tokens cannot drift; sizes are the model's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from mellum_lsp.prompt.dialects import DIALECT_KEY
from training.recipe import Recipe
from training.tokens import END_OF_TEXT

_LEFT_OUT = ("tokenizer.chat_template",)
_FIM_KEYS = {
    "<fim_prefix>": "fim_pre",
    "<fim_suffix>": "fim_suf",
    "<fim_middle>": "fim_mid",
    "<fim_pad>": "fim_pad",
}


def write_model(
    recipe: Recipe, base: Path, config: Any, tensors: Mapping[str, torch.Tensor], target: Path
) -> None:
    """A model as F16 (norms as F32) with the base's vocabulary, renamed tokens marked as control tokens.

    ``tensors`` have the names of transformers, ``config`` is the model's. Raises `ValueError` for an
    architecture that is not Llama's.
    """
    _only_llama(config)
    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(target, "llama")
    _add_sizes(writer, config)
    writer.add_name(recipe.name)
    writer.add_description(
        f"Fill-in-the-middle code model in Mellum's dialect, derived from {recipe.base.name or base.stem}"
    )
    writer.add_license(recipe.licence.lower())
    writer.add_languages(["en"])
    writer.add_string(DIALECT_KEY, "mellum")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    for marker, token in recipe.markers.items():
        tokens[token], types[token] = marker, int(gguf.TokenType.CONTROL)
    end = tokens.index(END_OF_TEXT)
    types[end] = int(gguf.TokenType.CONTROL)
    values: dict[str, Any] = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": end,
        "tokenizer.ggml.eos_token_id": end,
        "tokenizer.ggml.padding_token_id": recipe.markers.get("<fim_pad>", end),
        "tokenizer.ggml.add_bos_token": False,
    }
    taken = {DIALECT_KEY} | {f"tokenizer.ggml.{key}_token_id" for key in _FIM_KEYS.values()}
    for name, field in reader.fields.items():
        if name.startswith("tokenizer.") and not name.startswith(_LEFT_OUT) and name not in taken:
            _copy_field(writer, name, field, values.pop(name, None))
    for marker, key in _FIM_KEYS.items():
        if marker in tokens:
            writer.add_uint32(f"tokenizer.ggml.{key}_token_id", tokens.index(marker))
    for name, tensor in model_tensors(config, tensors.items()):
        writer.add_tensor(name, tensor)
    _finish(writer)


def _add_sizes(writer: gguf.GGUFWriter, config: Any) -> None:
    """What llama.cpp must know to compute a Llama."""
    rope = getattr(config, "rope_parameters", None) or {}
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10_000.0)))


def write_adapter(
    recipe: Recipe, config: Any, pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]], target: Path
) -> None:
    """A LoRA for ``--lora``: ``pairs`` are (A, B) by the adapted matrix's name in transformers."""
    _only_llama(config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(recipe.name)
    writer.add_license(recipe.licence.lower())
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, recipe.lora.alpha)
    for key, (a, b) in sorted(pairs.items()):
        name = tensor_name(names, key)
        writer.add_tensor(f"{name}.lora_a", a.numpy().astype(np.float16))
        writer.add_tensor(f"{name}.lora_b", rotated(key, b.numpy().astype(np.float16), config))
    _finish(writer)


def model_tensors(config: Any, tensors: Iterable[tuple[str, torch.Tensor]]) -> list[tuple[str, np.ndarray]]:
    """Tensors under llama.cpp's names; query and key rows are permuted to its rotary layout."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    found = []
    for key, value in tensors:
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = rotated(key, value.detach().to(torch.float32).cpu().numpy(), config)
        found.append((tensor_name(names, key), array.astype(np.float16) if array.ndim == 2 else array))
    return found


def tensor_name(names: gguf.TensorNameMap, key: str) -> str:
    name = names.get_name(key, try_suffixes=(".weight",))
    if name is None:
        raise ValueError(f"llama.cpp has no name for the tensor {key}")
    return str(name)


def rotated(key: str, array: np.ndarray, config: Any) -> np.ndarray:
    """Rows of query and key matrices (or of what is added to them) in llama.cpp's order, others unchanged."""
    if key.endswith("q_proj.weight"):
        return _permute(array, config.num_attention_heads)
    if key.endswith("k_proj.weight"):
        return _permute(array, config.num_key_value_heads)
    return array


def _permute(weights: np.ndarray, heads: int) -> np.ndarray:
    """Half-split rotary order (transformers) → interleaved (llama.cpp)."""
    rows, columns = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns).copy()


def _only_llama(config: Any) -> None:
    if config.model_type != "llama":
        raise ValueError(
            f"models of type {config.model_type} are written by llama.cpp's own converter, not here\n"
            "hint: convert export/merged (see training/README.md)"
        )


def _copy_field(writer: gguf.GGUFWriter, name: str, field: gguf.ReaderField, replacement: Any) -> None:
    value = field.contents() if replacement is None else replacement
    sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(name, value, field.types[0], sub_type)


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
