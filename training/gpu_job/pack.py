"""Packs a job: ``python -m training pack --recipe R --run RUN --out DIR``.

Writes into DIR the bundles ``code.zip``, ``weights.safetensors``, ``settings.zip`` (recipe, validation and
holes) and one per shard, each in parts. Bring the first three; shards may follow while the job runs.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

from mellum_lsp.domain import Marker
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.windows import Window
from training.corpus import read_documents
from training.fim import open_tokeniser
from training.gpu_job.parts import split
from training.gpu_job.weights import dequantise
from training.holes import make_holes
from training.recipe import Recipe, Run
from training.shards import Example, shard_files, write_shard
from training.tokens import Tokeniser

PART_BYTES = 55 << 20
_CODE = (
    "__init__.py",
    "model.py",
    "quantisation.py",
    "sampling.py",
    "shards.py",
    "gpu_job/__init__.py",
    "gpu_job/job.py",
    "gpu_job/judge.py",
    "gpu_job/parts.py",
    "gpu_job/trainer.py",
    "gpu_job/weights.py",
)


def pack(recipe: Recipe, run: Run, out: Path, holes: int = 640, part_bytes: int = PART_BYTES) -> list[Path]:
    """Everything the job needs, in parts; returns the files written."""
    written: list[Path] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        written += split(_code(scratch), out, part_bytes)
        written += split(_weights(run.base / recipe.base.file, scratch), out, part_bytes)
        written += split(_settings(recipe, run, scratch, holes), out, part_bytes)
        for name in recipe.sft.mix:
            for shard in shard_files(run.shards / name):
                copy = scratch / f"shard--{name}--{shard.name}"
                copy.write_bytes(shard.read_bytes())
                written += split(copy, out, part_bytes)
    job = Path(__file__).with_name("start.sh")
    (out / "start.sh").write_bytes(job.read_bytes())
    print(f"pack: {len(written)} files, {sum(p.stat().st_size for p in written) / 1e6:.1f} MB in {out}")
    return written


def _code(scratch: Path) -> Path:
    path = scratch / "code.zip"
    root = Path(__file__).parent.parent
    with zipfile.ZipFile(path, "w") as archive:
        for name in _CODE:
            archive.write(root / name, f"training/{name}")
    return path


def _weights(base: Path, scratch: Path) -> Path:
    """The GGUF's blocks under transformers' names, rows of queries and keys in transformers' order."""
    reader = gguf.GGUFReader(base)
    about = {name: field.contents() for name, field in reader.fields.items() if name.startswith("llama.")}
    config = _config(about, reader)
    names = {v: k for k, v in _names(config["num_hidden_layers"]).items()}
    tensors: dict[str, torch.Tensor] = {}
    kinds: dict[str, dict[str, Any]] = {}
    for tensor in reader.tensors:
        if tensor.name == "rope_freqs.weight":
            continue
        name = names[tensor.name]
        rows = torch.from_numpy(np.ascontiguousarray(tensor.data).view(np.uint8).copy())
        shape = [int(n) for n in reversed(tensor.shape.tolist())]
        rows = rows.reshape(shape[0] if len(shape) > 1 else 1, -1)
        for key, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
            if f"{key}.weight" in name:
                rows = _unpermute(rows, config[heads])
        tensors[name] = rows.reshape(-1)
        kinds[name] = {"kind": tensor.tensor_type.name, "shape": shape}
        dequantise(tensors[name][:0], kinds[name]["kind"], [0])  # a kind that is not known fails here
    path = scratch / "weights.safetensors"
    save_file(tensors, path, {"tensors": json.dumps(kinds), "config": json.dumps(config)})
    return path


def _unpermute(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """llama.cpp's rotary order → transformers'. Rows stay whole, so blocks do too."""
    count, width = rows.shape
    return (
        rows.reshape(heads, count // heads // 2, 2, width).transpose(1, 2).reshape(count, width).contiguous()
    )


def _config(about: dict[str, Any], reader: Any) -> dict[str, Any]:
    embeddings = next(t for t in reader.tensors if t.name == "token_embd.weight")
    return {
        "model_type": "llama",
        "vocab_size": int(embeddings.shape[1]),
        "hidden_size": about["llama.embedding_length"],
        "intermediate_size": about["llama.feed_forward_length"],
        "num_hidden_layers": about["llama.block_count"],
        "num_attention_heads": about["llama.attention.head_count"],
        "num_key_value_heads": about.get(
            "llama.attention.head_count_kv", about["llama.attention.head_count"]
        ),
        "max_position_embeddings": about["llama.context_length"],
        "rms_norm_eps": about["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": about.get("llama.rope.freq_base", 10000.0),
        "tie_word_embeddings": not any(t.name == "output.weight" for t in reader.tensors),
        "bos_token_id": 0,
        "eos_token_id": 0,
    }


def _names(layers: int) -> dict[str, str]:
    """transformers' name → llama.cpp's, of a Llama."""
    names = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    inside = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for layer in range(layers):
        for ours, theirs in inside.items():
            names[f"model.layers.{layer}.{ours}.weight"] = f"blk.{layer}.{theirs}.weight"
    return names


def _settings(recipe: Recipe, run: Run, scratch: Path, count: int) -> Path:
    """Recipe, validation shard and tokenised holes with their true middles."""
    tokeniser = open_tokeniser(recipe, run)
    documents = list(read_documents(run.corpus / "held_out.jsonl"))
    examples = []
    for hole in make_holes(documents, count, 7, tokeniser.count):
        prompt = _prompt(tokeniser, hole.path, Window(hole.prefix, hole.suffix, hole.closers, 0))
        truth = tokeniser.encode((hole.middle + hole.closers).rstrip())
        examples.append(Example(np.array([*prompt, *truth, tokeniser.end]), len(prompt)))
    write_shard(scratch / "holes.npz", examples)
    newline = sorted({tokeniser.encode("\n")[-1], tokeniser.encode("\n\n")[-1]})
    about = {"sft": asdict(recipe.sft), "seed": recipe.seed, "end": tokeniser.end, "newlines": newline}
    path = scratch / "settings.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("settings.json", json.dumps(about))
        archive.write(run.shards / "validation" / "0000.npz", "validation.npz")
        archive.write(scratch / "holes.npz", "holes.npz")
    return path


def _prompt(tokeniser: Tokeniser, path: str, window: Window) -> list[int]:
    ids: list[int] = []
    for part in Mellum().render(path, window, ()):
        for segment in part.segments:
            if isinstance(segment, Marker):
                ids.append(tokeniser.marker(segment.text))
            else:
                ids += tokeniser.encode(segment)
    return ids
