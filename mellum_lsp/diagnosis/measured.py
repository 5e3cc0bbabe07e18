"""A model that is here, loaded and timed: its speeds, and completions as an editor would ask for them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret
from mellum_lsp.engine.interface import EngineError, ModelInfo
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.prompt import windows
from mellum_lsp.prompt.dialects import Vocabulary, choose
from mellum_lsp.retrieval.interface import NoContext

_PLACES, _KEYS = 4, 3
"""Where somebody jumps to in a file, and how many keys are pressed there."""
_SECONDS = 12.0
"""No more places are visited after that."""
_SAMPLE = Path(windows.__file__)
"""A file of some hundred lines that is on every machine where this runs."""


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """``jump_ms`` and ``typing_ms`` are from the request to the answer, with the prompt evaluated from
    nothing and with it kept; medians are None where no answer needed the model."""

    info: ModelInfo
    dialect: str
    load_seconds: float
    jump_ms: list[float] = field(default_factory=list)
    typing_ms: list[float] = field(default_factory=list)

    @property
    def jump_median_ms(self) -> float | None:
        return statistics.median(self.jump_ms) if self.jump_ms else None

    @property
    def typing_median_ms(self) -> float | None:
        return statistics.median(self.typing_ms) if self.typing_ms else None


async def measure_model(
    path: Path, target_ms: int, on_progress: Callable[[float], None] = lambda fraction: None
) -> MeasuredModel:
    """Load the model, measure it and complete a sample file with it. Raises `EngineError`."""
    engine = LlamaEngine(path, EngineSettings(keep_states=False))
    begun = time.perf_counter()
    try:
        info = await engine.start(lambda fraction: on_progress(fraction / 2))
        dialect = choose(Vocabulary(info.markers, info.metadata)).name
        found = MeasuredModel(info, dialect, time.perf_counter() - begun)
        troubles: list[EngineError] = []
        settings = CompletionSettings(latency_target_ms=target_ms, prefetch=False, gate=0.0)
        completer = Completer(engine, NoContext(), settings, troubles.append)
        try:
            await _complete_sample(completer, found, lambda fraction: on_progress(0.5 + fraction / 2))
        finally:
            await completer.close()
        if troubles and not found.jump_ms:
            raise troubles[0]
        return found
    finally:
        await engine.close()


async def _complete_sample(
    completer: Completer, found: MeasuredModel, on_progress: Callable[[float], None]
) -> None:
    text, deadline = _SAMPLE.read_text(encoding="utf-8"), time.perf_counter() + _SECONDS
    places = _places(text)
    for number, offset in enumerate(places):
        on_progress(number / len(places))
        for key in range(_KEYS + 1):
            if time.perf_counter() > deadline:
                return
            # Each place is a document of its own: what was evaluated for another helps nowhere.
            caret = _caret(text, offset + key, number)
            begun = time.perf_counter()
            outcome = await completer.complete(caret)
            if outcome.source in ("cache", "prefetch", "stream") or not outcome.tokens.generated:
                continue
            times = found.typing_ms if key else found.jump_ms
            times.append((time.perf_counter() - begun) * 1e3)
            await asyncio.sleep(0)


def _places(text: str) -> list[int]:
    """Offsets in the middle of statements, spread over the text."""
    starts = [at + 4 for at in range(len(text)) if text.startswith("\n    return ", at)]
    return [start + len("return ") + 1 for start in starts][:: max(1, len(starts) // _PLACES)][:_PLACES]


def _caret(text: str, offset: int, number: int) -> Caret:
    line_end = text.index("\n", offset)
    return Caret(
        path=f"sample{number}.py",
        language="python",
        text=text[:offset] + text[line_end:],
        offset=offset,
        document=f"sample:{number}",
    )
