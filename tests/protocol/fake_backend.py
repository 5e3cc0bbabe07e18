"""A completer, an index and a session's backend that do as they are told and remember what they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mellum_lsp.completion.outcome import Explanation, Item, Outcome
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret, Marker, Part, Prompt
from mellum_lsp.engine.interface import EngineError
from mellum_lsp.engine.scripted import ScriptedEngine
from mellum_lsp.engine.watched import OnEnded
from mellum_lsp.feedback.events import Event
from mellum_lsp.feedback.preferences import Preference
from mellum_lsp.lsp.backend import Backend, Listeners
from mellum_lsp.lsp.settings import Settings
from mellum_lsp.workspace.settings import IndexSettings


class FakeCompleter:
    """Answers with ``item`` once ``gate`` is open; remembers what it was asked and who went away."""

    def __init__(self) -> None:
        self.item = Item("id-1", "return a + b")
        self.gate = asyncio.Event()
        self.gate.set()
        self.carets: list[Caret] = []
        self.warmed: list[Caret] = []
        self.dismissals: list[str] = []
        self.settled: list[float] = []
        self.withdrawn = 0
        self.error: Exception | None = None
        self.settings: CompletionSettings | None = None
        self.closed = False

    async def complete(self, caret: Caret, settle_seconds: float = 0.0) -> Outcome:
        self.carets.append(caret)
        self.settled.append(settle_seconds)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise
        if self.error:
            raise self.error
        if self.item is None:
            return Outcome((), "gated p=0.20")
        return Outcome((replace(self.item, confidence=0.9),), "", confidence=0.9, source="full")

    async def explain(self, caret: Caret) -> Explanation:
        self.carets.append(caret)
        if self.error:
            raise self.error
        return Explanation(prompt="<fim_middle>", text=self.item.text, model="fake")

    async def warm(self, caret: Caret) -> None:
        self.warmed.append(caret)

    def prompt_at(self, caret: Caret) -> Prompt:
        return (Part("prefix", caret.path, (Marker("<fim_prefix>"), caret.text[: caret.offset])),)

    def dismissed(self, item_id: str) -> None:
        self.dismissals.append(item_id)

    def update_settings(self, settings: CompletionSettings) -> None:
        self.settings = settings

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeIndexStatus:
    files: int = 0
    chunks: int = 0
    state: str = "empty"


class FakeIndex:
    """Remembers what it was told."""

    def __init__(self, on_status: Callable[[Any], None]) -> None:
        self.on_status = on_status
        self.told: list[tuple[str, Any]] = []
        self.now = FakeIndexStatus()

    def start(self) -> None:
        self.told.append(("start", None))

    def close(self) -> None:
        self.told.append(("close", None))

    def add_folder(self, path: Path) -> None:
        self.told.append(("add", path))

    def remove_folder(self, path: Path) -> None:
        self.told.append(("remove", path))

    def document_opened_or_changed(self, path: Path, text: str) -> None:
        self.told.append(("document", (path, text)))

    def document_closed(self, path: Path) -> None:
        self.told.append(("closed", path))

    def files_changed(self, paths: Any) -> None:
        self.told.append(("files", list(paths)))

    def update_settings(self, settings: IndexSettings) -> None:
        self.told.append(("settings", settings))

    def status(self) -> FakeIndexStatus:
        return self.now


@dataclass
class Lab:
    """Everything behind the server, for tests to set and to look at."""

    completer: FakeCompleter = field(default_factory=FakeCompleter)
    engine: ScriptedEngine = field(default_factory=ScriptedEngine)
    index: FakeIndex = field(default_factory=lambda: FakeIndex(lambda status: None))
    events: list[Event] = field(default_factory=list)
    preferences: list[Preference] = field(default_factory=list)
    adapter: Path | None = None
    tell_engine_error: Callable[[EngineError], None] = lambda error: None
    tell_generated: OnEnded = lambda request, stats: None
    builds: list[tuple[Settings, str | None, list[Path]]] = field(default_factory=list)

    def build(
        self,
        settings: Settings,
        listeners: Listeners,
        *,
        model: str | None,
        folders: Sequence[Path],
        index: FakeIndex | None,
    ) -> Backend:
        self.builds.append((settings, model, list(folders)))
        self.tell_engine_error = listeners.engine_error
        self.tell_generated = listeners.generated
        if index is None:
            self.index.on_status = listeners.index_status
        return Backend(
            self.engine, self.index, self.completer, "fake", lambda: "own", self.adapter, lambda: self.adapter
        )
