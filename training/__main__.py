"""``python -m training STAGE --recipe training/recipes/nano.toml --run runs/nano``: one stage of the way."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from training.recipe import Recipe, RecipeError, Run, in_small, read_recipe
from training.stages import ELSEWHERE, STAGES


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        recipe = _recipe(options)
        run = Run(options.run or Path("runs") / f"{recipe.name}{'-dry' if options.dry_run else ''}")
        for name in STAGES if "all" in options.stages else options.stages:
            (STAGES | ELSEWHERE)[name](recipe, run, options)
    except RecipeError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    say = parser.add_argument
    say("stages", metavar="STAGE", nargs="+", choices=(*STAGES, "all", *ELSEWHERE), help="%(choices)s")
    say("--recipe", type=Path, required=True)
    say("--run", type=Path, help="run folder (default: runs/NAME)")
    say(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="instead of the recipe's: sft.minutes=5",
    )
    say("--folder", type=Path, action="append", default=[], help="corpus: instead of the recipe's folders")
    say("--dry-run", action="store_true", help="all in small, a tiny random model: seconds")
    say("--minutes", type=float, help="pretrain, sft, evaluate: time budget")
    say("--device", default="cpu", help="pretrain, sft, preferences, dpo, grpo: cpu or cuda")
    say("--holes", type=int, default=300, help="evaluate, pack: how many holes")
    say("--served", type=int, default=0, help="evaluate: holes through the server's pipeline")
    say("--model", action="append", default=[], metavar="NAME=GGUF[,LORA]", help="evaluate")
    say("--threads", type=int, default=2, help="evaluate: threads of llama.cpp")
    say("--out", type=Path, help="pack: where the parts go; unpack: where the results are")
    return parser


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe as the command line changes it; a dry run shrinks ``options`` with it."""
    recipe = read_recipe(options.recipe, options.set)
    if options.folder:
        folders = tuple(str(folder.resolve()) for folder in options.folder)
        recipe = replace(recipe, corpus=replace(recipe.corpus, folders=folders))
    if options.dry_run:
        recipe = in_small(recipe)
        options.holes, options.minutes = min(options.holes, 8), None
    return recipe


if __name__ == "__main__":
    sys.exit(main())
