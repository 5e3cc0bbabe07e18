"""What serves a session: a backend made from the settings, made anew when they change, its troubles told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from mellum_lsp.completion.thresholds import Thresholds
from mellum_lsp.engine.interface import EngineError
from mellum_lsp.lsp.backend import Backend, Build, Listeners, import_all
from mellum_lsp.lsp.documents import Document
from mellum_lsp.lsp.gate import ReadEvents, thresholds_of
from mellum_lsp.lsp.logs import failure
from mellum_lsp.lsp.progress import Progress
from mellum_lsp.lsp.settings import Settings

if TYPE_CHECKING:
    from mellum_lsp.lsp.session import Session

log = logging.getLogger(__name__)


class Serving:
    """The backend of one session. ``model`` was chosen on the command line and outweighs the settings."""

    def __init__(self, session: Session, build: Build, model: str | None, read_events: ReadEvents) -> None:
        self.now: Backend | None = None
        """None before the settings are known, and while another backend takes over."""
        self._session = session
        self._build = build
        self._model = model
        self._read_events = read_events
        self._thresholds: Thresholds | None = None
        """The gate's, for the model that is served."""
        self._built = asyncio.Event()
        self._trouble: EngineError | None = None
        """Why nothing serves."""
        self._loop = asyncio.get_running_loop()
        self._index_progress: Progress | None = None

    async def backend(self) -> Backend:
        """What serves, as soon as there is anything. Raises `EngineError` where none could be made."""
        while self.now is None:
            await self._built.wait()
            if self.now is None and self._trouble is not None:
                raise self._trouble
        return self.now

    def dismissed(self, item_id: str) -> None:
        """The user does not want the item."""
        if self.now is not None:
            self.now.completer.dismissed(item_id)

    async def apply(self, settings: Settings, before: Settings | None) -> None:
        """Serve with ``settings`` from now on; ``before`` are those served with until now."""
        session = self._session
        session.exclusions.configure(settings.exclude)
        session.feedback.enabled = settings.feedback
        session.preferences.enabled = settings.collect_preferences
        if before is not None and self.now is not None and _same_backend(settings, before):
            self.now.completer.update_settings(settings.completion(self._thresholds))
            self.now.index.update_settings(settings.indexing())
            return
        old = self.now
        try:
            backend = await self._make(settings, old)
        except Exception as error:
            log.error("%s", failure("setting up failed", error))
            self._trouble = EngineError(
                f"the server could not be set up: {type(error).__name__}\n"
                "hint: mellum-lsp may have been updated: restart the editor; else the log says more"
            )
            self._hear_engine_error(self._trouble)
            self.now = old
            self._built.set()
            return
        if old is None:
            session.index_feed.connect(backend.index, self._indexable())
            backend.index.start()
        self.now, self._trouble = backend, None
        self._built.set()
        session.status.model = backend.model
        self._index_changed(backend.index.status())
        self._thresholds = thresholds_of(backend.model)
        session.background.replace("gate", self._calibrate(backend), "calibrating the gate")
        session.background.replace("load", self._load(backend), "loading the model")
        if old is not None:
            await _quietly("closing", old.close(keep_index=True))

    async def _make(self, settings: Settings, old: Backend | None) -> Backend:
        """Another backend, with the index of the ``old`` one; from now on requests wait for it."""
        session = self._session
        await session.in_thread(import_all)
        self.now = None
        self._built.clear()
        return self._build(
            settings,
            Listeners(
                index_status=self._hear_index,
                engine_error=self._hear_engine_error,
                notice=self._hear_notice,
                process=session.status_changed,
                generated=session.tracing.generated,
            ),
            model=self._model,
            folders=list(session.folders),
            index=old.index if old is not None else None,
        )

    async def close(self) -> None:
        if self.now is not None:
            await _quietly("closing", self.now.close())

    async def _calibrate(self, backend: Backend) -> None:
        """Let the gate follow what became of this user's suggestions with the model."""
        session = self._session
        events = await asyncio.to_thread(self._read_events) if session.feedback.enabled else []
        thresholds = thresholds_of(backend.model, events)
        settings = session.configuration.settings
        if thresholds != self._thresholds and backend is self.now and settings is not None:
            self._thresholds = thresholds
            backend.completer.update_settings(settings.completion(thresholds))

    async def _load(self, backend: Backend) -> None:
        session = self._session
        session.set_state("loading", f"loading {backend.model}".strip())
        progress = session.progress(f"Loading {backend.model or 'the model'}")
        progress.report(0.0)
        try:
            info = await backend.engine.start(progress.report)
        except EngineError as error:
            self._hear_engine_error(error)
        else:
            session.status.model = backend.model or info.name
            session.set_state("ready", "")
        finally:
            progress.end()

    def _hear_engine_error(self, error: EngineError) -> None:
        """Every trouble is shown once; the next answer ends it."""
        if self._session.status.message != str(error):
            self._session.set_state("failed", str(error))
            self._session.tell(types.MessageType.Error, str(error))

    def _hear_notice(self, message: str) -> None:
        """The engine's whereabouts have changed: the user should know, and the status tells it."""
        self._session.tell(types.MessageType.Info, message)
        self._session.status_changed()

    def _hear_index(self, status: Any) -> None:
        """Called in the index's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._index_changed, status)

    def _index_changed(self, status: Any) -> None:
        if status.state == "indexing" and self._index_progress is None:
            self._index_progress = self._session.progress("Indexing")
        if self._index_progress is not None:
            self._index_progress.report(None, f"{status.files} files")
            if status.state != "indexing":
                self._index_progress.end(f"{status.files} files")
                self._index_progress = None
        self._session.status_changed()

    def _indexable(self) -> list[tuple[Path, Document]]:
        paths = ((self._session.path_of(document.uri), document) for document in self._session.documents)
        return [(path, document) for path, document in paths if path is not None]


def _same_backend(one: Settings, other: Settings) -> bool:
    return (one.model, one.lora, one.engine, one.engine_settings()) == (
        other.model,
        other.lora,
        other.engine,
        other.engine_settings(),
    )


async def _quietly(what: str, work: Awaitable[Any]) -> None:
    try:
        await work
    except Exception as error:
        log.error("%s", failure(f"{what} failed", error))
