"""``python tests/benchmarks/healing.py DIR --out RUN --model M``: carets within words, healed and as typed.

DIR holds the repositories of holes.toml. Only holes whose caret stands within a word are answered, twice
each: as the server asks (the word at the caret is left out and the answer held to begin with it), and with
the word in the prompt as it was typed. Prints the table of docs/quality.md; differences are paired.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from itertools import islice
from pathlib import Path
from typing import Any

from holes import projects

from mellum_lsp.bench.answers import Answer, Variant
from mellum_lsp.bench.holes import Hole, Place, all_holes
from mellum_lsp.bench.project import Project
from mellum_lsp.bench.runner import Run
from mellum_lsp.bench.scores import judged, score_verdict, shown
from mellum_lsp.bench.statistics import Estimate, mean, mean_difference
from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.interface import GenerateRequest, Generation
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings

CONTEXT_TOKENS = 512
LOOKED_AT = 1500
"""So many of a project's holes are looked at for some with the caret within a word."""

HEALED, TYPED = (Variant(name, "default", CONTEXT_TOKENS) for name in ("healed", "as-typed"))
_WORD = re.compile(r"\w*")


class AsTyped:
    """An engine like the one it wraps that is shown the word at the caret in its prompt."""

    def __init__(self, inner: LlamaEngine) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def generate(self, request: GenerateRequest) -> Generation:
        plain = GenerateRequest(
            parts=request.spelled_out(),
            max_tokens=request.max_tokens,
            stop_markers=request.stop_markers,
            document=request.document,
            priority=request.priority,
        )
        return self._inner.generate(plain)


def within_words(project: Project, count: int, seed: int) -> list[Hole]:
    holes = (hole for hole in islice(all_holes(project, seed), LOOKED_AT) if hole.boundary == "word")
    return list(islice(holes, count))


async def answer(run: Run, model: Path) -> None:
    engine = LlamaEngine(
        model, EngineSettings(threads=2, micro_batch_tokens=128, sequences=2), None, model.stem
    )
    try:
        for variant, asked in ((TYPED, AsTyped(engine)), (HEALED, engine)):
            await run.answer([variant], asked, lambda done, total: None)
    finally:
        await engine.close()


def figures(place: Place, said: Answer) -> dict[str, float]:
    """Without a gate, and then what of it would have been shown."""
    generated = Generated(said.text, said.ends, said.probabilities, said.stop)
    open_gate = judged(place, generated, CompletionSettings(gate=0), Trigger.INVOKED)
    scored = score_verdict(place, open_gate, said.stop)
    seen = shown(place, judged(place, generated, CompletionSettings(), Trigger.AUTOMATIC))
    word = _WORD.match(place.middle)
    assert word
    ghost = _WORD.match(open_gate.text)
    return {
        "the word right": 100 * float(bool(ghost) and ghost[0] == word[0]),
        "exact": 100 * scored.exact,
        "first line": 100 * scored.first_line,
        "chrF++": scored.chrf,
        "shown": 100 * float(seen is not None),
        "shown and right": 100 * float(seen is not None and seen.right),
        "characters right": float(seen.right_characters if seen else 0),
        "characters wrong": float(seen.wrong_characters if seen else 0),
    }


def row(name: str, typed: list[float], healed: list[float]) -> str:
    def told(estimate: Estimate, sign: str = "") -> str:
        return f"{estimate.value:{sign}.1f} [{estimate.low:{sign}.1f}, {estimate.high:{sign}.1f}]"

    difference = told(mean_difference(healed, typed), "+")
    return f"| {name} | {told(mean(typed))} | {told(mean(healed))} | {difference} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, help="where the answers are kept")
    parser.add_argument("--model", type=Path, required=True, help="a .gguf")
    parser.add_argument("--count", type=int, default=25, help="holes of each repository")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    typed: dict[str, list[float]] = {}
    healed: dict[str, list[float]] = {}
    for project in projects(options.folder):
        run = Run(project, within_words(project, options.count, options.seed), options.out / project.name)
        asyncio.run(answer(run, options.model))
        for variant, columns in ((TYPED, typed), (HEALED, healed)):
            answers = run.answers(variant)
            for place in run.places().values():
                for name, value in figures(place, answers[place.hole.id]).items():
                    columns.setdefault(name, []).append(value)
        print(f"{project.name}: {len(run.holes)} holes", flush=True)
    print("\n| of all holes | as typed | healed | difference |\n| --- | --- | --- | --- |")
    for name, values in typed.items():
        print(row(name, values, healed[name]))


if __name__ == "__main__":
    main()
