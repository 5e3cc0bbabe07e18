"""Whether an adapter makes a model better: both fill spans removed from files that it was not tuned on.

Asked through the server's own pipeline, with project context, as `mellum-lsp bench holes` asks. A process of
its own, so that it can be stopped like the others: ``python -P -m mellum_lsp.adapt.judging TASK.json``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from mellum_lsp.adapt.errors import AdaptFailed
from mellum_lsp.adapt.plan import read_project
from mellum_lsp.bench.answers import Variant
from mellum_lsp.bench.holes import NoHoles, Place, choose_holes
from mellum_lsp.bench.runner import Run
from mellum_lsp.bench.scores import FIGURES
from mellum_lsp.bench.statistics import Estimate, mean, mean_difference
from mellum_lsp.bench.summary import Results
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings

FEWEST_HOLES = 20
"""Fewer prove nothing."""
CONTEXT_TOKENS = 1024
SEED = 11
ALONE, ADAPTED = "alone", "adapted"
_DECIDES = "chrf"
"""A figure that every hole moves a little; whole lines that become right are rare, and only may not fall."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """``held_out`` are paths in the workspace; ``folder`` keeps the answers, what is missing is asked."""

    workspace: str
    held_out: tuple[str, ...]
    model: str
    adapter: str
    folder: str
    holes: int
    threads: int
    exclude: tuple[str, ...] = ()


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Figures by the names of `bench.scores.FIGURES`, of the model alone, adapted, and their differences.

    ``better`` decides what serves; ``reason`` says why in a sentence.
    """

    holes: int
    alone: Mapping[str, Estimate]
    adapted: Mapping[str, Estimate]
    difference: Mapping[str, Estimate]
    better: bool
    reason: str


def judge(alone: Sequence[Mapping[str, float]], adapted: Sequence[Mapping[str, float]]) -> Judgement:
    """Compares the scores of the same holes, in the same order."""

    def of(scores: Sequence[Mapping[str, float]], figure: str) -> list[float]:
        return [score[figure] for score in scores]

    difference = {name: mean_difference(of(adapted, name), of(alone, name)) for name in FIGURES}
    better, reason = _decide(difference)
    return Judgement(
        holes=len(alone),
        alone={name: mean(of(alone, name)) for name in FIGURES},
        adapted={name: mean(of(adapted, name)) for name in FIGURES},
        difference=difference,
        better=better,
        reason=reason,
    )


def _decide(difference: Mapping[str, Estimate]) -> tuple[bool, str]:
    similar, exact = difference[_DECIDES], difference["exact"]
    said = (
        f"chrF++ {similar.value:+.1f} [{similar.low:+.1f}, {similar.high:+.1f}] on {similar.n} held-out holes"
    )
    if similar.n < FEWEST_HOLES:
        return False, f"only {similar.n} holes were found in the held-out files, {FEWEST_HOLES} are the least"
    if similar.low <= 0:
        return False, f"it is not shown to be better: {said}"
    if exact.high < 0:
        return False, f"fewer holes are filled exactly ({exact.value:+.1%}), though {said}"
    return True, f"it is better: {said}"


async def compare(task: Task, on_progress: Callable[[float], None]) -> Judgement:
    """Has both fill the holes and judges them. Raises `AdaptFailed` where there are none, `EngineError`."""
    project = read_project(Path(task.workspace), task.exclude)
    try:
        holes = choose_holes(project, task.holes, SEED, within=frozenset(task.held_out))
    except NoHoles as none:
        raise AdaptFailed(str(none)) from none
    run = Run(project, holes, Path(task.folder))
    variants = {name: Variant(name, "default", CONTEXT_TOKENS) for name in (ALONE, ADAPTED)}
    for number, (name, variant) in enumerate(variants.items()):
        lora = task.adapter if name == ADAPTED else None
        engine = LlamaEngine(Path(task.model), EngineSettings(threads=task.threads, lora=lora), None, name)

        def tell(done: int, total: int, number: int = number) -> None:
            on_progress((number + done / max(1, total)) / len(variants))

        try:
            await run.answer([variant], engine, tell)
        finally:
            await engine.close()
    results = Results(
        run.places(), {variant: run.answers(variant) for variant in variants.values()}, CompletionSettings()
    )
    places = results.common(list(variants.values()))
    alone, adapted = (_scores(results, variant, places) for variant in variants.values())
    return judge(alone, adapted)


def _scores(results: Results, variant: Variant, places: Sequence[Place]) -> list[dict[str, float]]:
    return [
        {figure: float(getattr(results.score(variant, place), figure)) for figure in FIGURES}
        for place in places
    ]


def main() -> None:
    task = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Task)
    folder = Path(task.folder)

    def tell(share: float) -> None:
        (folder / "progress").write_text(f"{share:.3f}", encoding="utf-8")

    folder.mkdir(parents=True, exist_ok=True)
    judgement = asyncio.run(compare(task, tell))
    (folder / "judgement.json").write_bytes(msgspec.json.encode(judgement))


if __name__ == "__main__":
    main()
