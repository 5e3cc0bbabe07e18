"""``python -m training STAGE --recipe training/recipes/nano.toml --run runs/nano``: one stage of the pipeline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from training.recipe import RecipeError, Run, read_recipe

STAGES = ("base", "corpus", "fim", "context", "sft", "export", "evaluate", "all")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="run folder (default: runs/NAME)")
    parser.add_argument("--minutes", type=float, help="sft: time budget instead of the recipe's")
    parser.add_argument("--device", default="cpu", help="sft: cpu or cuda")
    options = parser.parse_args(arguments)
    try:
        recipe = read_recipe(options.recipe)
    except RecipeError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    run = Run(options.run or Path("runs") / recipe.name)
    stages = [s for s in STAGES if s != "all"] if options.stage == "all" else [options.stage]
    for stage in stages:
        run_stage(stage, recipe, run, options)
    return 0


def run_stage(stage, recipe, run, options) -> None:
    """Imports a stage only when it is wanted: corpus and fim need no torch."""
    if stage == "corpus":
        from training import corpus

        corpus.build(recipe, run)
    elif stage == "fim":
        from training import fim

        fim.build(recipe, run)
    elif stage == "context":
        from training import context

        context.build(recipe, run)
    elif stage == "sft":
        from training import sft

        sft.train(recipe, run, options.minutes, options.device)


if __name__ == "__main__":
    sys.exit(main())
