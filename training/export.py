"""Stage `export`: the newest checkpoint → GGUF, quantised, proved against the weights.

Writes ``export/NAME-F16.gguf``, one file for each quantisation, ``export/proof.json`` and
``export/table.md``; of a LoRA run ``export/NAME-lora.gguf`` too, and the files have the adapters merged.
Models that are not Llama's architecture are left as ``export/merged`` in the hub's format, for llama.cpp's
own converter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from training import checkpoints, proof
from training.fim import open_tokeniser
from training.gguf_files import write_adapter, write_model
from training.importance import Importance, measure, quantise
from training.recipe import Recipe, Run
from training.shards import Example, read_shard

IMPORTANCE_EXAMPLES = 64
_WITHOUT_IMPORTANCE = ("Q8_0", "F16")


def export(recipe: Recipe, run: Run) -> dict[str, Path]:
    """Writes every quantisation of the recipe; returns their paths by name (also ``lora``)."""
    checkpoint = checkpoints.latest(run)
    model = checkpoints.build_model(recipe, run, checkpoint)
    run.export.mkdir(parents=True, exist_ok=True)
    examples = read_shard(run.shards / "validation" / "0000.npz")
    files: dict[str, Path] = {}
    rows: dict[str, dict[str, float]] = {}
    base = run.base / recipe.base.file
    if model.config.model_type != "llama":
        return _write_merged(recipe, model, run.export / "merged")
    if recipe.lora.rank:
        adapter = run.export / f"{recipe.name}-lora.gguf"
        merged = _export_adapter(recipe, model, adapter)
        files["lora"] = adapter
        rows["base with lora"] = proof.prove(model, base, examples, adapter=adapter)
    else:
        merged = model.state_dict()
    if recipe.lora.rank and not recipe.export.merged:
        _write_proof(recipe, run, base, checkpoint, rows)
        return files
    files["F16"] = run.export / f"{recipe.name}-F16.gguf"
    write_model(recipe, base, model.config, merged, files["F16"])
    importance = _importance(recipe, model, examples)
    for kind in recipe.export.quantisations:
        files[kind] = run.export / f"{recipe.name}-{kind}.gguf"
        quantise(files["F16"], files[kind], kind, None if kind in _WITHOUT_IMPORTANCE else importance)
    trained = recipe.sft.served_weights
    for kind in ("F16", *recipe.export.quantisations):
        rows[kind] = proof.prove(model, files[kind], examples, trained if kind == trained else "")
    _write_proof(recipe, run, files["F16"], checkpoint, rows)
    return files


def _export_adapter(recipe: Recipe, model: Any, target: Path) -> dict[str, torch.Tensor]:
    """Writes the adapters; returns the tensors with them merged."""
    from training import lora

    write_adapter(recipe, model.config, lora.pairs(model), target)
    return lora.merged_state(model)


def _importance(recipe: Recipe, model: Any, examples: list[Example]) -> Importance | None:
    """None where the weights were trained in the rounding of the file: better roundings would undo that."""
    if recipe.sft.served_weights or recipe.lora.rank:
        return None
    return measure(model, examples[:IMPORTANCE_EXAMPLES])


def _write_merged(recipe: Recipe, model: Any, folder: Path) -> dict[str, Path]:
    """In the hub's format, by transformers' own names, which llama.cpp's converter reads."""
    if recipe.lora.rank:
        from training import lora

        lora.merge(model)
    model.to(torch.bfloat16).save_pretrained(folder)
    print(f"export: merged weights in {folder}; convert them with llama.cpp's own converter", flush=True)
    return {"merged": folder}


def _write_proof(
    recipe: Recipe, run: Run, model: Path, checkpoint: Path | None, rows: dict[str, dict[str, float]]
) -> None:
    ships = proof.choose(rows, recipe.export.ship)
    found = {
        "checkpoint": checkpoint.name if checkpoint else "none: the base with renamed tokens",
        "same_tokens": proof.same_tokens(open_tokeniser(recipe, run), model),
        "ships": ships,
        "quantisations": rows,
    }
    (run.export / "proof.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (run.export / "table.md").write_text(proof.table(rows, ships), encoding="utf-8")
    print(proof.table(rows, ships), flush=True)
