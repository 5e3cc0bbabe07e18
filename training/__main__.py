"""``python -m training STAGE --recipe training/recipes/nano.toml --run runs/nano``: one stage of the way."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from training.recipe import Recipe, RecipeError, Run, in_small, read_recipe

STAGES = (
    "base", "corpus", "tokenizer", "fim", "context", "pretrain", "sft", "preferences", "dpo", "grpo",
    "export", "evaluate",
)  # fmt: skip
OTHERS = ("all", "pack", "unpack")
"""``pack`` and ``unpack`` carry a run to a machine with a GPU and back (training/gpu_job)."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("stages", metavar="STAGE", nargs="+", choices=(*STAGES, *OTHERS))
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="run folder (default: runs/NAME)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="instead of the recipe's: sft.minutes=5",
    )
    parser.add_argument("--folder", type=Path, action="append", default=[], help="instead of the recipe's")
    parser.add_argument("--out", type=Path, help="pack: where the parts go; unpack: where the results are")
    parser.add_argument("--minutes", type=float, help="sft, evaluate: time budget")
    parser.add_argument("--dry-run", action="store_true", help="all in small, a tiny random model: seconds")
    parser.add_argument("--device", default="cpu", help="sft: cpu or cuda")
    parser.add_argument("--holes", type=int, default=300, help="evaluate: how many holes")
    parser.add_argument("--served", type=int, default=0, help="evaluate: holes through the server's pipeline")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=GGUF[,LORA]", help="evaluate")
    parser.add_argument("--threads", type=int, default=2, help="evaluate: threads of llama.cpp")
    options = parser.parse_args(arguments)
    try:
        recipe = read_recipe(options.recipe, options.set)
    except RecipeError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    if options.dry_run:
        recipe = in_small(recipe)
        options.holes, options.minutes = min(options.holes, 8), None
    run = Run(options.run or Path("runs") / f"{recipe.name}{'-dry' if options.dry_run else ''}")
    if options.folder:
        folders = tuple(str(folder.resolve()) for folder in options.folder)
        recipe = replace(recipe, corpus=replace(recipe.corpus, folders=folders))
    try:
        for stage in STAGES if "all" in options.stages else options.stages:
            run_stage(stage, recipe, run, options)
    except RecipeError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


def run_stage(stage: str, recipe: Recipe, run: Run, options: argparse.Namespace) -> None:
    """Imports a stage only when it is wanted: corpus and fim need no torch."""
    if stage == "base":
        from training import base

        base.fetch(recipe, run)
    elif stage == "corpus":
        from training.corpus import build

        build.build(recipe, run)
    elif stage == "fim":
        from training import fim

        fim.build(recipe, run)
    elif stage == "context":
        from training import context

        context.build(recipe, run)
    elif stage == "tokenizer":
        from training import tokenizer

        tokenizer.build(recipe, run)
    elif stage == "pretrain":
        from training import pretrain

        pretrain.train(recipe, run, options.minutes, options.device)
    elif stage == "sft":
        from training import sft

        sft.train(recipe, run, options.minutes, options.device)
    elif stage == "preferences":
        from training import preferences

        preferences.build(recipe, run, options.device)
    elif stage == "dpo":
        if recipe.preferences.shards:
            from training import dpo

            dpo.train(recipe, run, options.device)
    elif stage == "grpo":
        if recipe.grpo.holes:
            from training import grpo

            grpo.train(recipe, run, options.device)
    elif stage == "export":
        from training import export

        export.export(recipe, run)
    elif stage == "pack":
        from training.gpu_job import pack

        pack.pack(recipe, run, options.out or run.root / "job", options.holes)
    elif stage == "unpack":
        from training.gpu_job import unpack

        unpack.unpack(run, options.out or run.root / "results")
    elif stage == "evaluate":
        from training import evaluate
        from training.raw import Candidate

        named = dict(model.split("=", 1) for model in options.model)
        models = {name: Candidate.read(text) for name, text in named.items()}
        evaluate.evaluate(
            recipe,
            run,
            models or evaluate.exported(recipe, run),
            options.holes,
            options.threads,
            options.served,
            options.minutes if options.minutes is not None else float("inf"),
        )


if __name__ == "__main__":
    sys.exit(main())
