"""Stage `export`: the newest checkpoint → GGUF with the renamed tokens, quantised, proved against them.

Vocabulary, merges and most metadata come from the base GGUF itself, so tokens cannot drift; the tensors are
the checkpoint's. Writes ``export/NAME-F16.gguf``, one file for each quantisation and
``export/proof.json``.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import LlamaForCausalLM

from mellum_lsp.prompt.dialects import DIALECT_KEY
from training.recipe import Recipe, Run
from training.tokens import END_OF_TEXT

_LEFT_OUT = ("GGUF.", "general.", "tokenizer.chat_template")
_FIM_KEYS = {
    "<fim_prefix>": "fim_pre",
    "<fim_suffix>": "fim_suf",
    "<fim_middle>": "fim_mid",
    "<fim_pad>": "fim_pad",
}
PROOF_EXAMPLES, PROOF_TOKENS = 4, 120


def export(recipe: Recipe, run: Run) -> dict[str, Path]:
    """Writes every quantisation of the recipe; returns their paths by name (``F16`` among them)."""
    from training.sft import build_model, newest_checkpoint

    checkpoint = newest_checkpoint(run)
    model = build_model(recipe, run, checkpoint)
    run.export.mkdir(parents=True, exist_ok=True)
    files = {"F16": run.export / f"{recipe.name}-F16.gguf"}
    write_gguf(recipe, run.base / recipe.base.file, model, files["F16"])
    for kind in recipe.export.quantisations:
        files[kind] = run.export / f"{recipe.name}-{kind}.gguf"
        quantise(files["F16"], files[kind], kind)
    proof = {
        "checkpoint": checkpoint.name if checkpoint else "none: the base with renamed tokens",
        "quantisations": {kind: prove(model, path, run, kind) for kind, path in files.items()},
    }
    (run.export / "proof.json").write_text(json.dumps(proof, indent=1), encoding="utf-8")
    print(json.dumps(proof, indent=1))
    return files


def write_gguf(recipe: Recipe, base: Path, model: LlamaForCausalLM, target: Path) -> None:
    """The model as F16 (norms as F32) with the base's vocabulary, renamed tokens marked as control tokens."""
    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_name(recipe.name)
    writer.add_description(
        f"Fill-in-the-middle code model in Mellum's dialect, derived from {recipe.base.name}"
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
    for name, field in reader.fields.items():
        if not name.startswith(_LEFT_OUT):
            _copy_field(writer, name, field, values.pop(name, None))
    for marker, key in _FIM_KEYS.items():
        if marker in recipe.markers:
            writer.add_uint32(f"tokenizer.ggml.{key}_token_id", recipe.markers[marker])
    for name, tensor in gguf_tensors(model):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _copy_field(writer: gguf.GGUFWriter, name: str, field: gguf.ReaderField, replacement: Any) -> None:
    value = field.contents() if replacement is None else replacement
    sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(name, value, field.types[0], sub_type)


def gguf_tensors(model: LlamaForCausalLM) -> list[tuple[str, np.ndarray]]:
    """Tensors under llama.cpp's names; query and key rows are permuted to its rotary layout."""
    config = model.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    tensors = []
    for key, value in model.state_dict().items():
        if key == "lm_head.weight":  # tied to the embeddings
            continue
        name = names.get_name(key, try_suffixes=(".weight",))
        if name is None:
            raise ValueError(f"llama.cpp has no name for the tensor {key}")
        array = value.detach().to(torch.float32).numpy()
        if key.endswith("q_proj.weight"):
            array = _permute(array, config.num_attention_heads)
        elif key.endswith("k_proj.weight"):
            array = _permute(array, config.num_key_value_heads)
        tensors.append((name, array.astype(np.float16) if array.ndim == 2 else array))
    return tensors


def _permute(weights: np.ndarray, heads: int) -> np.ndarray:
    """Half-split rotary order (transformers) → interleaved (llama.cpp)."""
    rows, columns = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns).copy()


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _SILENT(level: int, text: bytes, data: object) -> None:  # noqa: N802
    """llama.cpp prints a line for each tensor otherwise."""


def quantise(source: Path, target: Path, kind: str) -> None:
    import llama_cpp

    llama_cpp.llama_log_set(_SILENT, None)
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    parameters.nthread = 2
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), parameters) != 0:
        raise RuntimeError(f"llama.cpp could not quantise {source} to {kind}")


@torch.no_grad()
def prove(model: LlamaForCausalLM, path: Path, run: Run, kind: str) -> dict[str, float]:
    """Logits of the GGUF against those of the weights, at every position of validation examples.

    ``kl_to_rounded_nats``: against weights rounded in torch as the quantisation does, where that is known.
    """
    import llama_cpp

    from training.model import hidden_states
    from training.quantisation import ROUNDING, served_weights
    from training.shards import read_shard

    engine = llama_cpp.Llama(str(path), n_ctx=2048, n_batch=2048, logits_all=True, verbose=False, n_threads=2)
    model.eval()
    agree, divergence, divergence_rounded, count = 0, 0.0, 0.0, 0
    for example in read_shard(run.shards / "validation" / "0000.npz")[:PROOF_EXAMPLES]:
        tokens = example.tokens[:PROOF_TOKENS]
        engine.reset()
        engine.eval(tokens.tolist())
        theirs = torch.from_numpy(np.array(engine.scores[: len(tokens)], dtype=np.float32)).log_softmax(-1)
        hidden = hidden_states(model, torch.from_numpy(tokens), [len(tokens)])
        ours = model.lm_head(hidden).float().log_softmax(-1)
        agree += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
        divergence += float((ours.exp() * (ours - theirs)).sum())
        if kind in ROUNDING:
            with served_weights(model, kind):
                hidden = hidden_states(model, torch.from_numpy(tokens), [len(tokens)])
            rounded = model.lm_head(hidden).float().log_softmax(-1)
            divergence_rounded += float((rounded.exp() * (rounded - theirs)).sum())
        count += len(tokens)
    engine.close()
    known = {"kl_to_rounded_nats": round(divergence_rounded / count, 6)} if kind in ROUNDING else {}
    return known | {
        "top1_agreement": round(agree / count, 4),
        "kl_nats": round(divergence / count, 6),
        "positions": count,
        "megabytes": round(path.stat().st_size / 1e6, 1),
    }
