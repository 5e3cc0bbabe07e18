"""What the user sees for what the model says: every case is a file under tests/goldens/completion."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mellum_lsp.completion.outcome import Outcome
from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret
from mellum_lsp.engine.scripted import ScriptedEngine
from mellum_lsp.retrieval.interface import NoContext

from .golden import Golden, read, shown

GOLDENS = Path(__file__).parents[2] / "goldens" / "completion"
FILES = sorted(GOLDENS.rglob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(GOLDENS).with_suffix("")))
def test_golden(path: Path) -> None:
    golden = read(path)
    engine = ScriptedEngine(golden.script)
    carets = [golden.caret("document"), *([golden.caret("then")] if "then" in golden.sections else [])]
    first, *later = asyncio.run(outcomes(golden, engine, carets))
    assert shown(carets[0], first) == golden.sections.get("shown", golden.sections.get("silent"))
    for caret, outcome in zip(carets[1:], later, strict=True):
        assert shown(caret, outcome) == golden.sections["then shown"]
        assert outcome.cached, "the model was asked again"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(GOLDENS).with_suffix("")))
def test_golden_says_why_it_exists(path: Path) -> None:
    golden = read(path)
    assert len(golden.why.strip()) > 20
    assert ("shown" in golden.sections) != ("silent" in golden.sections)


async def outcomes(golden: Golden, engine: ScriptedEngine, carets: list[Caret]) -> list[Outcome]:
    settings = CompletionSettings(gate=golden.gate)
    completer = Completer(engine, NoContext(), settings)
    try:
        answers = [await completer.complete(carets[0])]
        for caret in carets[1:]:
            await asyncio.sleep(0.01)  # the stream's tail goes into the cache
            answers.append(await completer.complete(caret))
        return answers
    finally:
        await completer.close()
