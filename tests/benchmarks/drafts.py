"""What drafts gain where project code is repeated, and that they lose nothing where it is not.

    python tests/benchmarks/drafts.py models/nano-135m.gguf

Two engines, with drafts and without, answer the same prompts in turns. *Repeated*: the caret stands in a
function whose twin is in the project's context, as in an edit that does to one place what was done to
another. *Ordinary*: the caret stands in a function that is nowhere else, with other code as context. The
functions are those of this project. Turns during which other processes took more than a tenth of a core are
left out. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from quietness import Quietness

import mellum_lsp
from mellum_lsp.domain import Part
from mellum_lsp.engine.interface import GenerateRequest, GenerationStats
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.prompt.dialects import Dialect, Vocabulary, choose
from mellum_lsp.prompt.dialects.base import ContextFile
from mellum_lsp.prompt.windows import Window

TOKENS = 40
LOADS = 4
"""So often a model is loaded before, each of which measures a little more of what batches cost."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompts", type=int, default=12, help="of each kind")
    parser.add_argument("--rounds", type=int, default=3, help="how often each prompt is answered")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(**vars(arguments)))))


async def measure(model: Path, prompts: int, rounds: int, seed: int) -> dict[str, Any]:
    settings = EngineSettings(keep_states=False)
    engines = {drafts: LlamaEngine(model, replace(settings, drafts=drafts)) for drafts in (True, False)}
    for _ in range(LOADS):
        engine = LlamaEngine(model, settings)
        await engine.start()
        await engine.close()
    infos = [await engine.start() for engine in engines.values()]
    report: dict[str, Any] = {"model": infos[0].name, "batch_ms": dict(infos[0].batch_ms)}
    dialect = choose(Vocabulary(infos[0].markers, infos[0].metadata))
    functions = list(functions_of(Path(mellum_lsp.__path__[0])))
    random.Random(seed).shuffle(functions)
    quietness = Quietness([engine.pid for engine in engines.values()])
    for kind in ("repeated", "ordinary"):
        asked = [prompt_of(kind, functions, number, dialect) for number in range(prompts)]
        report[kind] = await compare(engines, asked, dialect, rounds, quietness)
        print(f"{kind}: {report[kind]}")
    for engine in engines.values():
        await engine.close()
    return report


async def compare(
    engines: dict[bool, LlamaEngine],
    prompts: list[tuple[Part, ...]],
    dialect: Dialect,
    rounds: int,
    quietness: Quietness,
) -> dict[str, Any]:
    """Tokens a second with drafts over those without, turn by turn."""
    ratios: list[float] = []
    rates: dict[bool, list[float]] = {True: [], False: []}
    drafted = accepted = generated = disturbed = 0
    for number, prompt in enumerate(prompts):
        for round_ in range(rounds):
            rate: dict[bool, float] = {}
            quietness.begin()
            for drafts in (True, False) if round_ % 2 else (False, True):
                # A name for every round: what an engine said before must not help it now.
                stats = await answer(engines[drafts], prompt, dialect, f"{number}.{round_}")
                if stats.generated_tokens > 4:
                    rate[drafts] = (stats.generated_tokens - 1) / stats.decode_ms * 1e3
                if drafts and not round_:
                    drafted += stats.drafted_tokens
                    accepted += stats.accepted_tokens
                    generated += stats.generated_tokens
            if quietness.end() > 0.1:
                disturbed += 1
            elif len(rate) == 2:
                ratios.append(rate[True] / rate[False])
                for drafts, value in rate.items():
                    rates[drafts].append(value)
    return {
        "turns": len(ratios),
        "disturbed": disturbed,
        "ratio_p50": spread(ratios, 0.5),
        "ratio_p10": spread(ratios, 0.1),
        "ratio_p90": spread(ratios, 0.9),
        "ratio_of_all": round(mean_rate(rates[True]) / mean_rate(rates[False]), 3) if ratios else None,
        "tokens_per_s": round(mean_rate(rates[True]), 1),
        "tokens_per_s_without": round(mean_rate(rates[False]), 1),
        "drafted": drafted,
        "accepted": accepted,
        "generated": generated,
    }


def mean_rate(rates: list[float]) -> float:
    return statistics.harmonic_mean(rates) if rates else 0.0


def spread(values: list[float], share: float) -> float | None:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3) if values else None


async def answer(
    engine: LlamaEngine, prompt: tuple[Part, ...], dialect: Dialect, document: str
) -> GenerationStats:
    generation = engine.generate(GenerateRequest(prompt, TOKENS, dialect.stop_markers, document=document))
    async for _ in generation:
        pass
    return generation.stats


def functions_of(folder: Path) -> Iterator[tuple[str, str, str]]:
    """The path, what stands before, and the source of every function of a dozen lines or so."""
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and 8 <= (node.end_lineno or 0) - node.lineno <= 25:
                before = "".join(lines[max(0, node.lineno - 25) : node.lineno - 1])
                yield path.name, before, "".join(lines[node.lineno - 1 : node.end_lineno])


def prompt_of(
    kind: str, functions: list[tuple[str, str, str]], number: int, dialect: Dialect
) -> tuple[Part, ...]:
    """The caret stands in the middle of a function, at the beginning of a line."""
    name, before, source = functions[number]
    lines = source.splitlines(keepends=True)
    begun = "".join(lines[: len(lines) // 2])
    indentation = lines[len(lines) // 2][: -len(lines[len(lines) // 2].lstrip()) or None]
    twin = before[-200:] + source if kind == "repeated" else functions[-1 - number][2]
    window = Window(prefix=before + begun + indentation, suffix="", closers="", start_line=0)
    return dialect.render(name, window, (ContextFile(f"other_{name}", twin),))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache  # what was measured before does not count
        main()
