"""Models asked directly: a hole's window in the raw prompt of the model's own dialect, greedily.

What a model knows, without the server's stop policy, gate, rules or project context. Engine, dialect and
token healing are the server's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mellum_lsp.engine.interface import GenerateRequest, ModelInfo
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.prompt import dialects
from mellum_lsp.prompt.healing import heal
from mellum_lsp.prompt.windows import Window
from training.holes import EvaluationHole
from training.progress import bar

MAX_NEW_TOKENS = 72
_LINES_TOO_MANY = 3
"""An answer that runs on so far behind what stood there is broken off: nothing more makes it right."""


@dataclass(frozen=True)
class Candidate:
    """What is judged: a GGUF, perhaps with a LoRA adapter beside it."""

    model: Path
    adapter: Path | None = None

    @classmethod
    def read(cls, text: str) -> Candidate:
        """``MODEL.gguf`` or ``MODEL.gguf,ADAPTER.gguf``."""
        model, _, adapter = text.partition(",")
        return cls(Path(model), Path(adapter) if adapter else None)

    @asynccontextmanager
    async def served(self, threads: int) -> AsyncIterator[LlamaEngine]:
        """An engine of its own with this model, ended behind the block."""
        lora = str(self.adapter.absolute()) if self.adapter else None
        engine = LlamaEngine(self.model, EngineSettings(threads=threads, lora=lora), None, self.model.stem)
        try:
            yield engine
        finally:
            await engine.close()


@dataclass(frozen=True)
class Answer:
    """What a model said; ``stopped`` when it ended by itself within the limits."""

    id: str
    text: str
    stopped: bool
    milliseconds: float


def answer_all(
    candidate: Candidate,
    holes: Sequence[EvaluationHole],
    kept: Path,
    threads: int,
    deadline: float = float("inf"),
) -> dict[str, Answer]:
    """Greedy answers to all holes, those in ``kept`` not asked again; fewer where the deadline comes first.

    ``deadline`` is one of `time.monotonic`.
    """
    answers: dict[str, Answer] = {}
    if kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            answer = Answer(**json.loads(line))
            answers[answer.id] = answer
    missing = [h for h in holes if h.id not in answers]
    if missing and time.monotonic() < deadline:
        kept.parent.mkdir(parents=True, exist_ok=True)
        asyncio.run(_answer_missing(candidate, missing, answers, kept, threads, deadline))
    return answers


async def _answer_missing(
    candidate: Candidate,
    missing: Sequence[EvaluationHole],
    answers: dict[str, Answer],
    kept: Path,
    threads: int,
    deadline: float,
) -> None:
    """Each answer is kept as soon as it is there."""
    async with candidate.served(threads) as engine:
        info = await engine.start()
        with kept.open("a", encoding="utf-8", buffering=1) as file:
            for hole in bar(missing, f"evaluate: {(candidate.adapter or candidate.model).name}"):
                if time.monotonic() > deadline:
                    break
                answers[hole.id] = await ask(engine, info, hole)
                file.write(json.dumps(vars(answers[hole.id])) + "\n")


async def ask(engine: LlamaEngine, info: ModelInfo, hole: EvaluationHole) -> Answer:
    """The model's greedy answer; raises `EngineError` subclasses."""
    began = time.monotonic()
    dialect = dialects.choose(dialects.Vocabulary(info.markers, info.metadata))
    window = Window(hole.prefix, hole.suffix, hole.closers, 0)
    prompt, word = heal(dialect.render(hole.path, window, ()))
    generation = engine.generate(
        GenerateRequest(prompt, MAX_NEW_TOKENS, dialect.stop_markers, must_begin_with=word)
    )
    longest = (hole.middle + hole.closers).count("\n") + _LINES_TOO_MANY
    said = b""
    async for token in generation:
        said += token.piece
        if said.count(b"\n") > longest:
            generation.abort()
            break
    text = said.decode("utf-8", "replace")
    return Answer(hole.id, text, generation.stats.stop == "end", 1000 * (time.monotonic() - began))
