"""``python tests/benchmarks/holes.py COMMAND DIR``: the holes benchmark on the repositories of holes.toml.

DIR holds each repository's files in a folder named like the repository, as of the commit in holes.toml.

``recall`` asks no model: which share of the names that cross-file holes need stands in the prompt's project
context, by each mix of strategies. ``answer`` lets models complete the holes and keeps what they say;
``report`` prints the tables of docs/quality.md and draws its plots. All are the same for the same seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from mellum_lsp.bench import plots, report
from mellum_lsp.bench.answers import Variant, read_holes, write_holes
from mellum_lsp.bench.holes import Hole, all_holes, choose_holes, place_of
from mellum_lsp.bench.project import Project, RankedContext
from mellum_lsp.bench.runner import Run
from mellum_lsp.bench.statistics import mean, mean_difference
from mellum_lsp.bench.summary import Results, summarise
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.plan import Capacity, PlanSettings, full_budget, make_plan
from mellum_lsp.retrieval.tokens import identifiers

REPOSITORIES = tomllib.loads((Path(__file__).parent / "holes.toml").read_text(encoding="utf-8"))["repository"]
CHARACTERS_PER_TOKEN = 3.3
"""Of code, roughly, for counting without a model."""


def projects(folder: Path, names: Sequence[str] = ()) -> Iterator[Project]:
    """Every repository of the list, or those named; raises `SystemExit` where one is not there."""
    for repository in REPOSITORIES:
        root = folder / repository["github"].partition("/")[2]
        if names and root.name not in names:
            continue
        if not root.is_dir():
            raise SystemExit(
                f"error: {root} is missing\n"
                f"hint: unpack {repository['github']} at {repository['commit']} there"
            )
        yield Project.read(root)


def recall(folder: Path, mixes: Sequence[str], count: int, seed: int, context_tokens: int) -> None:
    """Prints the share of needed names in the project context of the plan, by repository and in all."""
    capacity = Capacity(8192, 450.0, 100.0)
    budget = full_budget(capacity, PlanSettings(context_tokens=context_tokens))
    shares: dict[str, list[float]] = {mix: [] for mix in mixes}
    for project in projects(folder):
        index = project.index()
        holes = first_cross_file(project, count, seed)
        rows: dict[str, list[float]] = {mix: [] for mix in mixes}
        spent = dict.fromkeys(mixes, 0.0)
        for hole in holes:
            caret = place_of(project, hole).caret_for(Trigger.INVOKED)
            with project.opened(index, caret):
                for mix in mixes:
                    context = RankedContext(index, mix)
                    begun = time.process_time()
                    chunks = context.query(caret)
                    spent[mix] += time.process_time() - begun
                    plan = make_plan(caret, chunks, budget, Mellum(), count_roughly, context.compressed)
                    there = identifiers("\n".join(file.text for file in plan.context))
                    rows[mix].append(sum(name in there for name in hole.needs) / len(hole.needs))
        print(f"{project.name}: {len(holes)} cross-file holes", flush=True)
        for mix, values in rows.items():
            milliseconds = 1000 * spent[mix] / max(1, len(holes))
            print(f"  {mix:50} {mean(values).value:.3f}  {milliseconds:5.1f} ms", flush=True)
            shares[mix] += values
    print(f"all: {len(shares[mixes[0]])}")
    for mix, values in shares.items():
        recalled, more = mean(values), mean_difference(values, shares[mixes[0]])
        print(
            f"  {mix:50} {recalled.value:.3f} [{recalled.low:.3f}, {recalled.high:.3f}]"
            f"  {more.value:+.3f} [{more.low:+.3f}, {more.high:+.3f}]"
        )


def first_cross_file(project: Project, count: int, seed: int) -> list[Hole]:
    found: list[Hole] = []
    for hole in all_holes(project, seed):
        if hole.is_cross_file:
            found.append(hole)
        if len(found) >= count:
            break
    return found


def count_roughly(text: str) -> int:
    return int(len(text) / CHARACTERS_PER_TOKEN) + 1 if text else 0


def answer(options: argparse.Namespace) -> bool:
    """Has every model answer what is missing; False where ``--minutes`` were over before."""
    deadline = time.monotonic() + 60 * options.minutes
    for project in projects(options.folder, options.repository):
        holes = kept_holes(project, options)
        run = Run(project, holes, options.out / project.name, deadline=deadline)
        for model in options.model:
            variants = [Variant(model.stem, mix, options.context_tokens) for mix in options.context]
            if not asyncio.run(answer_with(run, variants, model, options.threads)):
                return False
    return True


def kept_holes(project: Project, options: argparse.Namespace) -> list[Hole]:
    """The project's holes, chosen once: its files stand still at their commit."""
    path = options.out / project.name / f"holes-{options.count}-{options.seed}.jsonl"
    if not path.exists():
        write_holes(path, choose_holes(project, options.count, options.seed))
    return read_holes(path)


async def answer_with(run: Run, variants: Sequence[Variant], model: Path, threads: int) -> bool:
    engine = LlamaEngine(
        model, EngineSettings(threads=threads, micro_batch_tokens=128, sequences=2), None, model.stem
    )
    last = ""

    def tell(done: int, total: int) -> None:
        nonlocal last
        last = f"{run.project.name}, {model.stem}: {done} of {total}"

    try:
        finished = await run.answer(variants, engine, tell)
    finally:
        await engine.close()
    print(last, flush=True)
    return finished


def report_on(options: argparse.Namespace) -> None:
    """Prints Markdown; with ``--images`` the plots go there, with ``--json`` everything goes there."""
    variants = [
        Variant(model.stem, mix, options.context_tokens) for model in options.model for mix in options.context
    ]
    results = Results({}, {variant: {} for variant in variants}, CompletionSettings())
    for project in projects(options.folder, options.repository):
        run = Run(project, kept_holes(project, options), options.out / project.name)
        results.places |= run.places()
        for variant in variants:
            results.answers[variant] |= run.answers(variant)
    summary = summarise(results)
    print(f"{summary.holes} holes of {', '.join(summary.projects)}\n")
    for table in (
        report.quality_table(summary.figures),
        report.difference_table(summary.differences),
        report.gate_table(summary.gates),
    ):
        print(report.markdown(table), "\n")
    for reason in summary.reasons:
        print(f"- {reason}")
    print(json.dumps(dict(summary.advice)))
    if options.json:
        options.json.write_text(json.dumps(report.document(summary), indent=1), encoding="utf-8")
    if options.images:
        gates = {one.variant.name: one for one in summary.gates if one.group == options.group}
        trade_off = plots.trade_off({name: one.curve for name, one in gates.items()})
        plots.save_png(trade_off, options.images / "gate-trade-off.png")
        reliability = plots.reliability({name: one.calibration for name, one in gates.items()})
        plots.save_png(reliability, options.images / "gate-calibration.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["recall", "answer", "report"])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, help="where the answers are kept")
    parser.add_argument("--repository", action="append", default=[], help="only this one of the list")
    parser.add_argument("--model", type=Path, action="append", default=[], help="a .gguf")
    parser.add_argument("--context", action="append", help="a mix of strategies, as RankSettings.of reads it")
    parser.add_argument("--count", type=int, default=40, help="holes of each repository")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--context-tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2, help="that decode")
    parser.add_argument("--minutes", type=float, default=600, help="end early; the next run goes on")
    parser.add_argument("--json", type=Path, help="report: a file for everything")
    parser.add_argument("--images", type=Path, help="report: a folder for the plots")
    parser.add_argument("--group", default="all", help="report: the holes that the plots are of")
    options = parser.parse_args()
    options.context = options.context or ["none", "default"]
    if options.command == "report":
        report_on(options)
    elif options.command == "recall":
        recall(options.folder, options.context, options.count, options.seed, options.context_tokens)
    elif options.command == "answer" and not answer(options):
        raise SystemExit(3)


if __name__ == "__main__":
    main()
