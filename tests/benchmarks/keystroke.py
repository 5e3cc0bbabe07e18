"""What a keystroke costs in tokens: real files are typed through the real pipeline, model and live index.

    python tests/benchmarks/keystroke.py [--model MODEL.gguf] [--files N] [--every-seconds S]

Each file's statement is removed, the prompt at its place is warmed, and forty characters are put back one by
one in the way of an editor that closes brackets and quotes by itself. The index sees the document as it is
typed. Counted is every token that the engine evaluates for prompts in between: for requests and in the
background, new plans included. The last line is JSON.

Two ways of asking: as an editor does, where most keystrokes are answered from an earlier generation and cost
nothing, and by explanations, which always ask the model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret
from mellum_lsp.engine.interface import GenerateRequest, Generation
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.models.resolve import resolve
from mellum_lsp.retrieval.live import LiveIndex
from mellum_lsp.workspace.settings import IndexSettings

SEED = 11
CHARACTERS = 40
PLACES_A_FILE = 2
CLOSER_OF = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
OPENS_IN_FRONT_OF = " \t\n;:.,=)]}"


class CountingEngine(LlamaEngine):
    """Keeps every generation, so that nothing that was evaluated goes unnoticed."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.generations: list[Generation] = []

    def generate(self, request: GenerateRequest) -> Any:
        generation = super().generate(request)
        self.generations.append(generation)
        return generation

    def take_evaluated(self) -> int:
        """Tokens of prompts evaluated since the last call; generations that still run count later."""
        ended = [one for one in self.generations if one.stats.stop]
        self.generations = [one for one in self.generations if not one.stats.stop]
        return sum(one.stats.evaluated_tokens for one in ended)


@dataclass
class Costs:
    """Tokens evaluated by keystroke, and for the warm-up in front of each place."""

    keystrokes: list[int] = field(default_factory=list)
    warm_ups: list[int] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        return {
            "keystrokes": len(self.keystrokes),
            "mean": round(float(np.mean(self.keystrokes)), 2),
            "p50": float(np.percentile(self.keystrokes, 50)),
            "p99": float(np.percentile(self.keystrokes, 99)),
            "largest": float(max(self.keystrokes)),
            "warm_up_mean": round(float(np.mean(self.warm_ups)), 1),
        }


def press(caret: Caret, character: str, inserted: str) -> tuple[Caret, str]:
    """The caret after a key, and the closers behind it that the editor inserted by itself."""
    before, behind = caret.prefix, caret.suffix
    if inserted.startswith(character):
        behind, inserted = behind[1:], inserted[1:]
    elif character in CLOSER_OF and behind[:1] in ("", *OPENS_IN_FRONT_OF):
        behind, inserted = CLOSER_OF[character] + behind, CLOSER_OF[character] + inserted
    return replace(caret, text=before + character + behind, offset=caret.offset + 1), inserted


def modules(count: int) -> list[Path]:
    """Modules of the interpreter's own library, of middling size."""
    library = Path(sysconfig.get_paths()["stdlib"])
    candidates = [file for file in sorted(library.glob("*.py")) if 8_000 < file.stat().st_size < 60_000]
    return random.Random(SEED).sample(candidates, count)


def places(text: str) -> list[tuple[int, str]]:
    """Offsets of statements' beginnings, and the forty characters to type there, brackets among them."""
    found = []
    offset = 0
    for line in text.split("\n"):
        code = line.strip()
        if len(code) >= CHARACTERS and "(" in code and not code.startswith(("#", '"', "'")) and offset > 1500:
            found.append((offset + len(line) - len(line.lstrip()), code[:CHARACTERS]))
        offset += len(line) + 1
    return random.Random(SEED).sample(found, min(PLACES_A_FILE, len(found)))


@asynccontextmanager
async def pipeline(model: Path, root: Path) -> AsyncIterator[tuple[Completer, CountingEngine, LiveIndex]]:
    """Everything but the protocol."""
    engine, index = CountingEngine(model), LiveIndex([root], IndexSettings(persist=False))
    index.start()
    completer = Completer(engine, index, CompletionSettings())
    try:
        await asyncio.to_thread(index.wait_until_ready, 60.0)
        yield completer, engine, index
    finally:
        await completer.close()
        await engine.close()
        index.close()


async def type_at(
    place: Caret,
    characters: str,
    ask: Callable[[Caret], Any],
    tools: tuple[Completer, CountingEngine, LiveIndex],
    seconds: float,
    costs: Costs,
) -> None:
    """Types one statement; what the background does until the next key belongs to this one."""
    completer, engine, index = tools
    index.document_opened_or_changed(Path(place.root) / place.path, place.text)
    await asyncio.to_thread(index.wait_until_ready, 60.0)
    await completer.warm(place)
    await asyncio.sleep(0.5)
    costs.warm_ups.append(engine.take_evaluated())
    caret, inserted = place, ""
    for character in characters:
        caret, inserted = press(caret, character, inserted)
        index.document_opened_or_changed(Path(place.root) / place.path, caret.text)
        await asyncio.gather(ask(caret), asyncio.sleep(seconds))
        costs.keystrokes.append(engine.take_evaluated())
    await asyncio.sleep(0.5)
    costs.keystrokes[-1] += engine.take_evaluated()


async def measure(model: Path, files: Sequence[Path], root: Path, seconds: float) -> dict[str, Costs]:
    costs = {"editor": Costs(), "explain": Costs()}
    async with pipeline(model, root) as tools:
        completer, engine, _ = tools
        await engine.start()
        for file in files:
            text = (root / file.name).read_text(encoding="utf-8")
            for way, ask in (("editor", completer.complete), ("explain", completer.explain)):
                for offset, characters in places(text):
                    without = text[:offset] + text[text.find("\n", offset) :]
                    caret = Caret(file.name, "python", without, offset, root=str(root), document=file.name)
                    await type_at(caret, characters, ask, tools, seconds, costs[way])
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", default=None)
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--every-seconds", type=float, default=0.12, help="the typist's pace")
    options = parser.parse_args()
    files = modules(options.files)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "project"
        root.mkdir()
        for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
            shutil.copy(file, root)
        costs = asyncio.run(measure(resolve(options.model).path, files, root, options.every_seconds))
    figures = {way: one.figures() for way, one in costs.items()}
    table = Table("asked by", *figures["editor"], box=None)
    for way, row in figures.items():
        table.add_row(way, *(str(value) for value in row.values()))
    Console(highlight=False).print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
