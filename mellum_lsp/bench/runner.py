"""Lets every variant complete every hole through the server's own pipeline, and keeps what was said.

One generation a hole and variant, made as `mellum/explain` makes it for a user who asks explicitly: anew,
from the full plan, without a gate, ended by the stop policy. What a gate would have left of it is told from
the recorded probabilities afterwards (`mellum_lsp.bench.gates`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mellum_lsp.bench.answers import (
    Answer,
    ShownChunk,
    Variant,
    appending,
    read_answers,
    write_line,
)
from mellum_lsp.bench.holes import Hole, Place, place_of
from mellum_lsp.bench.project import Project, RankedContext
from mellum_lsp.bench.recording import RecordedGeneration, RecordingEngine
from mellum_lsp.completion.outcome import Explanation
from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger
from mellum_lsp.engine.interface import Engine, EngineError
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.retrieval.tokens import identifiers

OnProgress = Callable[[int, int], None]
"""Called with how many answers there are and how many there will be."""


@dataclass
class Run:
    """Answers of one project's holes, kept in ``folder``.

    ``deadline`` (of `time.monotonic`) ends a run early; the next one goes on with what is missing.
    """

    project: Project
    holes: Sequence[Hole]
    folder: Path
    settings: CompletionSettings = field(default_factory=CompletionSettings)
    deadline: float = float("inf")

    def places(self) -> dict[str, Place]:
        """Each hole with the text as the user has it: open."""
        return {hole.id: place_of(self.project, hole) for hole in self.holes}

    def answers(self, variant: Variant) -> dict[str, Answer]:
        """What there is so far, of the holes of this run."""
        wanted = {hole.id for hole in self.holes}
        known = read_answers(self.folder / variant.file_name)
        return {hole: answer for hole, answer in known.items() if hole in wanted}

    async def answer(self, variants: Sequence[Variant], engine: Engine, on_progress: OnProgress) -> bool:
        """Has ``engine``, which serves the model of all ``variants``, answer what is missing.

        Hole by hole, so that a run that was ended early compares the variants on the same holes. False where
        the deadline came first. Raises `EngineError` where the engine cannot be used.
        """
        known = {variant: self.answers(variant) for variant in variants}
        done, total = sum(map(len, known.values())), len(variants) * len(self.holes)
        on_progress(done, total)
        if done == total:
            return True
        index = self.project.index()
        recording = RecordingEngine(engine)
        await recording.start()
        for place in self.places().values():
            missing = [variant for variant in variants if place.hole.id not in known[variant]]
            with self.project.opened(index, place.caret):
                for variant in missing:
                    if time.monotonic() > self.deadline:
                        return False
                    answer = await self._answer(place, variant, recording, index)
                    with appending(self.folder / variant.file_name) as file:
                        write_line(file, answer)
                    done += 1
                    on_progress(done, total)
        return True

    async def _answer(
        self, place: Place, variant: Variant, engine: RecordingEngine, index: ProjectIndex
    ) -> Answer:
        context = RankedContext(index, variant.context)
        settings = replace(self.settings, context_tokens=variant.context_tokens)
        troubles: list[EngineError] = []
        completer = Completer(engine, context, settings, troubles.append)
        engine.last = None
        try:
            told = await completer.explain(place.caret_for(Trigger.INVOKED))
        finally:
            await completer.close()
        if troubles:
            raise troubles[0]
        return _answer_from(place, told, engine.last)


def _answer_from(place: Place, told: Explanation, recorded: RecordedGeneration | None) -> Answer:
    if recorded is None:
        return Answer(place.hole.id, "", (), (), "", failure=told.reason)
    generated = recorded.generated()
    shown = identifiers("\n".join(part.text for part in recorded.prompt if part.kind == "context"))
    return Answer(
        hole=place.hole.id,
        text=generated.text,
        ends=tuple(generated.ends),
        probabilities=tuple(round(p, 6) for p in generated.probabilities),
        stop=generated.stop,
        chunks=tuple(
            ShownChunk(one.chunk.path, one.chunk.start_line, one.chunk.end_line, one.strategy)
            for one in told.chunks
        ),
        supplied=tuple(name for name in place.hole.needs if name in shown),
        prompt_tokens=recorded.stats.prompt_tokens,
        milliseconds=round(told.timings.total_ms, 1),
    )
