"""An engine that follows a script instead of a model: for tests and for authors of editor plugins.

A script is the text to generate, or a sequence of steps, or a function from the request to either::

    ScriptedEngine("return a + b\\n")
    ScriptedEngine([("return", 0.9), (" a", 0.6), Pause(0.1), EngineCrashed("gone")])
    ScriptedEngine(lambda request: "x" if request.max_tokens else "")
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from mellum_lsp.domain import Marker, Part
from mellum_lsp.engine.interface import (
    EngineError,
    GenerateRequest,
    Generation,
    GenerationStats,
    ModelInfo,
    Token,
)

_TOKENS = re.compile(r"\n[ \t]*| ?\w+| ?[^\w\s]+|\s+")

MELLUM_MARKERS = ("<|endoftext|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>", "<filename>")


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next token: for some seconds, or until somebody sets the event."""

    until: float | asyncio.Event

    async def wait(self) -> None:
        if isinstance(self.until, asyncio.Event):
            await self.until.wait()
        else:
            await asyncio.sleep(self.until)


Step = Token | str | tuple[str | bytes, float] | Pause | EngineError
Script = str | Sequence[Step]


def tokenise(text: str) -> list[str]:
    """Cut a text into this engine's tokens: words, runs of punctuation, line breaks with indentation."""
    return _TOKENS.findall(text)


class ScriptedGeneration:
    """One run of a script; ``aborted`` tells a test whether somebody stopped it."""

    def __init__(
        self, request: GenerateRequest, script: Script, stats: GenerationStats, before: Pause | None
    ):
        self.request = request
        self.stats = stats
        self.aborted = False
        self.ended = False
        self._abort = asyncio.Event()
        self._before = before
        self._steps: Sequence[Step] = [script] if isinstance(script, str) else script

    def abort(self) -> None:
        self.aborted = not self.ended
        self._abort.set()

    async def __aiter__(self) -> AsyncIterator[Token]:
        try:
            if self._before:
                await self._wait(self._before)
            joint = 1.0
            for step in self._steps if self.request.max_tokens else ():
                if isinstance(step, EngineError):
                    raise step
                if isinstance(step, Pause):
                    await self._wait(step)
                    continue
                for token in _tokens_of(step):
                    await asyncio.sleep(0)
                    if self._abort.is_set():
                        self.stats.stop = "aborted"
                        return
                    self.stats.generated_tokens += 1
                    yield token
                    joint *= token.probability
                    if joint < self.request.min_joint_probability:
                        self.stats.stop = "probability"
                        return
                    if self.stats.generated_tokens >= self.request.max_tokens:
                        self.stats.stop = "length"
                        return
            self.stats.stop = "aborted" if self._abort.is_set() else "end"
        finally:
            self.ended = True

    async def _wait(self, pause: Pause) -> None:
        """Wait, but wake at once when aborted."""
        tasks = [asyncio.ensure_future(pause.wait()), asyncio.ensure_future(self._abort.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


class ScriptedEngine:
    """Implements `mellum_lsp.engine.interface.Engine`; ``generations`` keeps every run for a test to look at.

    ``load`` and ``prefill`` pause the start and every generation's beginning; a ``load`` that is an
    `EngineError` makes every start fail with it.
    """

    def __init__(
        self,
        script: Script | Callable[[GenerateRequest], Script] = "",
        *,
        load: Pause | EngineError | None = None,
        prefill: Pause | None = None,
        markers: Sequence[str] = MELLUM_MARKERS,
        metadata: Mapping[str, str] | None = None,
        context_tokens: int = 8192,
        prefill_tokens_per_second: float = 450.0,
        decode_tokens_per_second: float = 100.0,
    ) -> None:
        self.script = script
        self.generations: list[ScriptedGeneration] = []
        self.starts = 0
        self._load = load
        self.prefill = prefill
        self._loaded: ModelInfo | None = None
        self._starting: asyncio.Future[ModelInfo] | None = None
        self._evaluated: dict[str, list[str]] = {}
        self._info = ModelInfo(
            name="scripted",
            path="",
            architecture="scripted",
            context_tokens=context_tokens,
            markers=frozenset(markers),
            metadata=metadata or {"general.architecture": "scripted"},
            prefill_tokens_per_second=prefill_tokens_per_second,
            decode_tokens_per_second=decode_tokens_per_second,
        )

    @property
    def info(self) -> ModelInfo | None:
        return self._loaded

    @property
    def pid(self) -> int | None:
        return None

    async def start(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        if self._loaded:
            return self._loaded
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start(on_progress))
        return await asyncio.shield(self._starting)

    async def _start(self, on_progress: Callable[[float], None] | None) -> ModelInfo:
        self.starts += 1
        try:
            if isinstance(self._load, EngineError):
                raise self._load
            if self._load:
                await self._load.wait()
            self._loaded = self._info
            if on_progress:
                on_progress(1.0)
            return self._info
        finally:
            self._starting = None

    def generate(self, request: GenerateRequest) -> Generation:
        script = self.script(request) if callable(self.script) else self.script
        generation = ScriptedGeneration(request, script, self._evaluate(request), self.prefill)
        self.generations.append(generation)
        return generation

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(tokenise(text)) for text in texts]

    async def close(self) -> None:
        for generation in self.generations:
            generation.abort()
        self._loaded = None

    def _evaluate(self, request: GenerateRequest) -> GenerationStats:
        """Counts as a KV cache would: what the last prompt of any document began with is reused."""
        parts = [_prompt_tokens(part) for part in request.parts]
        prompt = [token for part in parts for token in part]
        common = max((_common(known, prompt) for known in self._evaluated.values()), default=0)
        reused = max(0, min(common, len(prompt) - 1))
        self._evaluated[request.document] = prompt
        return GenerationStats(
            prompt_tokens=len(prompt),
            reused_tokens=reused,
            evaluated_tokens=len(prompt) - reused,
            part_tokens=tuple(len(part) for part in parts),
        )


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many tokens two prompts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _prompt_tokens(part: Part) -> list[str]:
    tokens: list[str] = []
    for segment in part.segments:
        tokens += [segment.text] if isinstance(segment, Marker) else tokenise(segment)
    return tokens


def _tokens_of(step: Token | str | tuple[str | bytes, float]) -> list[Token]:
    if isinstance(step, Token):
        return [step]
    if isinstance(step, str):
        return [Token(0, piece.encode(), 1.0) for piece in tokenise(step)]
    text, probability = step
    return [Token(0, text.encode() if isinstance(text, str) else text, probability)]
