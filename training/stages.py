"""The stages by name, in the order in which ``all`` runs them: the one table of what the command line can do.

A stage is imported only when it runs: `corpus` and `fim` need no PyTorch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

from training.recipe import Recipe, Run

Stage = Callable[[Recipe, Run, argparse.Namespace], None]


def _of(function: str, *options: str, wanted: Callable[[Recipe], object] = lambda _: True) -> Stage:
    """``module:function``, called with the recipe, the run and these options of the command line, by name.

    Where a recipe does not want the stage, not even its module is imported, for its libraries may be missing.
    """
    module, _, name = function.partition(":")

    def stage(recipe: Recipe, run: Run, said: argparse.Namespace) -> None:
        if wanted(recipe):
            getattr(import_module(module), name)(recipe, run, **{key: getattr(said, key) for key in options})

    return stage


def _evaluate(recipe: Recipe, run: Run, said: argparse.Namespace) -> None:
    from training.evaluate import evaluate, exported
    from training.raw import Candidate

    named = dict(model.split("=", 1) for model in said.model)
    models = {name: Candidate.read(text) for name, text in named.items()} or exported(recipe, run)
    minutes = said.minutes if said.minutes is not None else float("inf")
    evaluate(recipe, run, models, said.holes, said.threads, said.served, minutes)


def _pack(recipe: Recipe, run: Run, said: argparse.Namespace) -> None:
    from training.gpu_job.pack import pack

    pack(recipe, run, said.out or run.root / "job", said.holes)


def _unpack(recipe: Recipe, run: Run, said: argparse.Namespace) -> None:
    from training.gpu_job.unpack import unpack

    unpack(run, said.out or run.root / "results")


STAGES: dict[str, Stage] = {
    "base": _of("training.base:fetch"),
    "corpus": _of("training.corpus.build:build"),
    "tokenizer": _of("training.tokenizer:build"),
    "fim": _of("training.fim:build"),
    "context": _of("training.context:build"),
    "pretrain": _of("training.pretrain:train", "minutes", "device"),
    "sft": _of("training.sft:train", "minutes", "device"),
    "preferences": _of("training.preferences:build", "device"),
    "dpo": _of("training.dpo:train", "device", wanted=lambda recipe: recipe.preferences.shards),
    "grpo": _of("training.grpo:train", "device", wanted=lambda recipe: recipe.grpo.holes),
    "export": _of("training.export:export"),
    "evaluate": _evaluate,
}
ELSEWHERE: dict[str, Stage] = {"pack": _pack, "unpack": _unpack}
"""To a machine with a GPU and back (training/gpu_job); no part of ``all``."""
