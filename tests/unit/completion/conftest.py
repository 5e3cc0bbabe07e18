"""Makes completers, and ends them with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.engine.scripted import ScriptedEngine
from mellum_lsp.retrieval.interface import NoContext

from .pipeline_lab import Make


@pytest_asyncio.fixture
async def make() -> AsyncIterator[Make]:
    """Makes completers over an engine; what else is given by name is a setting."""
    made: list[Completer] = []

    def new(engine: ScriptedEngine, context: Any = None, on_error: Any = None, **settings: Any) -> Completer:
        settings = {"gate": 0.7, **settings}
        completer = Completer(engine, context or NoContext(), CompletionSettings(**settings), on_error)
        made.append(completer)
        return completer

    yield new
    for completer in made:
        await completer.close()
