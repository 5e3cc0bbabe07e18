"""Engine, index and completer of one command, put together as the server does and closed in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.engine.interface import Engine
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.models.resolve import resolve
from mellum_lsp.retrieval.live import LiveIndex
from mellum_lsp.workspace.settings import IndexSettings


@dataclass(frozen=True, slots=True)
class Session:
    engine: Engine
    index: LiveIndex
    completer: Completer


@asynccontextmanager
async def local_session(root: Path, model: str | None) -> AsyncIterator[Session]:
    """A session on the project at ``root``; raises `ModelError` where the model cannot be had."""
    choice = resolve(model)
    index = LiveIndex([root], IndexSettings())
    engine = LlamaEngine(choice.path, EngineSettings(), log_file=None)
    completer = Completer(engine, index, CompletionSettings())
    index.start()
    try:
        yield Session(engine, index, completer)
    finally:
        await completer.close()
        await engine.close()
        index.close()
