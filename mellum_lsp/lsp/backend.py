"""What stands behind a session: an engine, an index and the completer over them, made from the settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mellum_lsp.completion.outcome import Explanation, Outcome
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret, Prompt
from mellum_lsp.engine.interface import Engine, EngineError
from mellum_lsp.engine.watched import OnEnded, WatchedEngine
from mellum_lsp.lsp.engines import choose_engine
from mellum_lsp.lsp.settings import Settings
from mellum_lsp.retrieval.interface import ContextSource
from mellum_lsp.workspace.settings import IndexSettings

log = logging.getLogger(__name__)


class Index(ContextSource, Protocol):
    """What a session asks of `retrieval.live.LiveIndex`, besides what the completer asks."""

    def start(self) -> None: ...
    def close(self) -> None: ...
    def add_folder(self, path: Path) -> None: ...
    def remove_folder(self, path: Path) -> None: ...
    def document_opened_or_changed(self, path: Path, text: str) -> None: ...
    def document_closed(self, path: Path) -> None: ...
    def files_changed(self, paths: Iterable[Path]) -> None: ...
    def update_settings(self, settings: IndexSettings) -> None: ...
    def status(self) -> Any: ...
    def wait_until_ready(self, timeout: float) -> bool: ...


class Completes(Protocol):
    """What a session asks of `completion.pipeline.Completer`."""

    async def complete(self, caret: Caret, settle_seconds: float = 0.0) -> Outcome: ...
    async def explain(self, caret: Caret) -> Explanation: ...
    async def warm(self, caret: Caret) -> None: ...
    def prompt_at(self, caret: Caret) -> Prompt: ...
    def dismissed(self, item_id: str) -> None: ...
    def update_settings(self, settings: CompletionSettings) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Backend:
    """``mode`` says how the engine runs, now; ``model`` names the model before it is loaded.

    ``adapter`` is the LoRA that it is served with, ``find_adapter`` what it would be served with now.
    """

    engine: Engine
    index: Index
    completer: Completes
    model: str
    mode: Callable[[], str]
    adapter: Path | None = None
    find_adapter: Callable[[], Path | None] = lambda: None

    async def close(self, *, keep_index: bool = False) -> None:
        await self.completer.close()
        await self.engine.close()
        if not keep_index:
            await asyncio.to_thread(self.index.close)  # it waits for its process


def _nobody(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears of what happens behind a session; on the event loop, but ``index_status`` in any thread."""

    index_status: Callable[[Any], None] = _nobody
    engine_error: Callable[[EngineError], None] = _nobody
    """Every trouble."""
    notice: Callable[[str], None] = _nobody
    """What the user should know besides: that code goes to another machine, that it does no longer."""
    process: Callable[[], None] = _nobody
    """The engine's process is another one, or there is none."""
    generated: OnEnded = _nobody
    """A generation of the completer's has ended."""


class Build(Protocol):
    """Makes a backend; ``index`` is one that runs already and is kept.

    ``model`` was chosen on the command line and outweighs the settings.
    """

    def __call__(
        self,
        settings: Settings,
        listeners: Listeners,
        *,
        model: str | None,
        folders: Sequence[Path],
        index: Index | None,
    ) -> Backend: ...


def import_all() -> None:
    """Import what `build` needs, which takes a moment: done in a thread, the event loop stays free."""
    import mellum_lsp.completion.pipeline
    import mellum_lsp.engine.llama
    import mellum_lsp.engine.script_file
    import mellum_lsp.engine.shared
    import mellum_lsp.models.resolve
    import mellum_lsp.retrieval.live  # noqa: F401


def build(
    settings: Settings,
    listeners: Listeners,
    *,
    model: str | None,
    folders: Sequence[Path],
    index: Index | None,
) -> Backend:
    """The real thing. Where there is no model to serve, the engine is one that fails with the reason."""
    from mellum_lsp.completion.pipeline import Completer
    from mellum_lsp.lsp.gate import thresholds_of
    from mellum_lsp.retrieval.live import LiveIndex

    chosen = choose_engine(settings, model or settings.model, folders, listeners.notice, listeners.process)
    if index is None:
        index = LiveIndex(folders, settings.indexing(), listeners.index_status)
    index.update_settings(settings.indexing())
    thresholds = thresholds_of(chosen.model)
    engine = WatchedEngine(chosen.engine, listeners.generated)
    completer = Completer(engine, index, settings.completion(thresholds), listeners.engine_error)
    return Backend(
        chosen.engine, index, completer, chosen.model, chosen.mode, chosen.adapter, chosen.find_adapter
    )
