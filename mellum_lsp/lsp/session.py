"""One client's session: all its state, and what its handlers do with it.

Handlers (`methods`) hold no state and decide nothing but how a message is answered. The session lives on the
event loop's thread alone; what comes from other threads is handed over with `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lsprotocol import types
from psutil import Process

from mellum_lsp.completion import reasons
from mellum_lsp.completion.rhythm import Rhythm
from mellum_lsp.completion.thresholds import Thresholds
from mellum_lsp.domain import Caret, Trigger
from mellum_lsp.engine.interface import EngineError
from mellum_lsp.feedback.preferences import Preference
from mellum_lsp.lsp import editor_process, uris
from mellum_lsp.lsp.adapters import follow_adapters
from mellum_lsp.lsp.answers import Answers
from mellum_lsp.lsp.backend import Backend, Build, import_all
from mellum_lsp.lsp.background import Background
from mellum_lsp.lsp.client import Client
from mellum_lsp.lsp.configuration import Configuration
from mellum_lsp.lsp.documents import Document, Documents, Place
from mellum_lsp.lsp.exclusions import Exclusions
from mellum_lsp.lsp.feedback import Feedback, Record
from mellum_lsp.lsp.folders import Folders
from mellum_lsp.lsp.gate import ReadEvents, thresholds_of
from mellum_lsp.lsp.index_feed import IndexFeed
from mellum_lsp.lsp.logs import failure
from mellum_lsp.lsp.notebooks import Notebooks
from mellum_lsp.lsp.preferences import Preferences
from mellum_lsp.lsp.progress import Progress
from mellum_lsp.lsp.settings import Settings
from mellum_lsp.lsp.status import State, Status, StatusReporter
from mellum_lsp.lsp.tracing import Tracing
from mellum_lsp.lsp.warming import Warming

log = logging.getLogger(__name__)


class Session:
    """State of one client, from its connection to its end. ``server`` speaks to the client."""

    def __init__(
        self,
        server: Any,
        build: Build,
        model: str | None,
        record: Record,
        read_events: ReadEvents = list,
        lora: str | None = None,
        prefer: Callable[[Preference], None] = lambda preference: None,
    ) -> None:
        self.server = server
        self.client = Client()
        self.folders = Folders()
        self.documents = Documents()
        self.notebooks = Notebooks(self.documents)
        self.background = Background()
        self.configuration = Configuration(self, {"lora": lora} if lora else {})
        self.executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="lsp")
        self.exclusions = Exclusions(self.executor, self.background)
        self.index_feed = IndexFeed()
        self.feedback = Feedback(record)
        self.feedback.on_dismissed = self._dismissed
        self.feedback.text_of = self._text_of
        self.feedback.later = self._later
        self.preferences = Preferences(prefer, self._text_of, self._later)
        self.feedback.on_noted = self.preferences.happened
        self.answers = Answers(self)
        self.warming = Warming(self)
        self.rhythm = Rhythm()
        self.tracing = Tracing(self._tell_trace)
        self.uses_inline_completion: set[str] = set()
        """Documents (by URI) in which the client has asked for inline completions."""
        self._said: set[tuple[str, str]] = set()
        self.status = Status()
        self._reporter = StatusReporter(self.status_document, self._tell_status)
        self._build = build
        self._model = model
        self._read_events = read_events
        self._thresholds: Thresholds | None = None
        """The gate's, for the model that is served."""
        self._backend: Backend | None = None
        self._built = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._index_progress: Progress | None = None

    # ---- beginning and end

    def begin(self, client: Client, folders: list[types.WorkspaceFolder], options: Any) -> None:
        """The client has introduced itself; settings and model follow by themselves."""
        self.client = client
        self.documents.encoding = client.encoding
        self.folders.add(folders)
        self.background.spawn(self.configuration.begin(options), "reading the settings")
        self.background.spawn(follow_adapters(self), "looking for the workspace's adapter")
        if self.server.ends_with_editor and (editor := editor_process.find(client.process_id)):
            self.background.spawn(self._end_with(editor), "watching the editor")

    async def _end_with(self, editor: Process) -> None:
        await editor_process.until_gone(editor)
        log.warning("the editor (process %d) has ended without a word", editor.pid)
        self.server.protocol.abandon()

    async def close(self) -> None:
        """Let go of everything; answers that are still wanted say that the server is ending."""
        self.status.state = "stopped"
        self._reporter.close()
        self.index_feed.close()
        self.feedback.finish()
        await self.background.close()
        if self._backend is not None:
            await _quietly("closing", self._backend.close())
        self.executor.shutdown(wait=False, cancel_futures=True)

    # ---- what stands behind the session

    async def apply(self, settings: Settings, before: Settings | None) -> None:
        """Serve with ``settings`` from now on; ``before`` are those served with until now."""
        self.exclusions.configure(settings.exclude)
        self.feedback.enabled = settings.feedback
        self.preferences.enabled = settings.collect_preferences
        if before is not None and self._backend is not None and _same_backend(settings, before):
            self._backend.completer.update_settings(settings.completion(self._thresholds))
            self._backend.index.update_settings(settings.indexing())
            return
        await self.in_thread(import_all)
        old, self._backend = self._backend, None
        self._built.clear()
        self._backend = backend = self._build(
            settings,
            model=self._model,
            folders=list(self.folders),
            on_index_status=self._hear_index,
            on_engine_error=self._hear_engine_error,
            on_notice=self._hear_notice,
            on_process=self._reporter.changed,
            on_generated=self.tracing.generated,
            index=old.index if old is not None else None,
        )
        if old is None:
            self.index_feed.connect(backend.index, self._indexable())
            backend.index.start()
        self._built.set()
        self.status.model = backend.model
        self._index_changed(backend.index.status())
        self._thresholds = thresholds_of(backend.model)
        self.background.replace("gate", self._calibrate(backend), "calibrating the gate")
        self.background.replace("load", self._load(backend), "loading the model")
        if old is not None:
            await _quietly("closing", old.close(keep_index=True))

    async def _calibrate(self, backend: Backend) -> None:
        """Let the gate follow what became of this user's suggestions with the model."""
        events = await asyncio.to_thread(self._read_events) if self.feedback.enabled else []
        thresholds = thresholds_of(backend.model, events)
        settings = self.configuration.settings
        if thresholds != self._thresholds and backend is self._backend and settings is not None:
            self._thresholds = thresholds
            backend.completer.update_settings(settings.completion(thresholds))

    async def _load(self, backend: Backend) -> None:
        self.set_state("loading", f"loading {backend.model}".strip())
        progress = self.progress(f"Loading {backend.model or 'the model'}")
        progress.report(0.0)
        try:
            info = await backend.engine.start(progress.report)
        except EngineError as error:
            self._hear_engine_error(error)
        else:
            self.status.model = backend.model or info.name
            self.set_state("ready", "")
        finally:
            progress.end()

    def _hear_engine_error(self, error: EngineError) -> None:
        """Every trouble is shown once; the next answer ends it."""
        if self.status.message != str(error):
            self.set_state("failed", str(error))
            self.tell(types.MessageType.Error, str(error))

    def _hear_notice(self, message: str) -> None:
        """The engine's whereabouts have changed: the user should know, and the status tells it."""
        self.tell(types.MessageType.Info, message)
        self._reporter.changed()

    def _hear_index(self, status: Any) -> None:
        """Called in the index's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._index_changed, status)

    def _index_changed(self, status: Any) -> None:
        if status.state == "indexing" and self._index_progress is None:
            self._index_progress = self.progress("Indexing")
        if self._index_progress is not None:
            self._index_progress.report(None, f"{status.files} files")
            if status.state != "indexing":
                self._index_progress.end(f"{status.files} files")
                self._index_progress = None
        self._reporter.changed()

    def _indexable(self) -> list[tuple[Path, Document]]:
        paths = ((self.path_of(document.uri), document) for document in self.documents)
        return [(path, document) for path, document in paths if path is not None]

    # ---- places and paths

    def path_of(self, uri: str) -> Path | None:
        """The file of a document; None for cells and for what is no file."""
        return None if self.notebooks.notebook_of(uri) else uris.to_path(uri)

    def caret(self, document: Document, place: Place, trigger: Trigger) -> Caret:
        """The caret at ``place``; a notebook's cell is seen with the cells above it."""
        notebook = self.notebooks.notebook_of(document.uri)
        path = uris.to_path(notebook or document.uri)
        root, name = self.folders.locate(path) if path else ("", uris.to_name(notebook or document.uri))
        above = self.notebooks.text_above(document) if notebook else ""
        return Caret(
            path=name,
            language=document.language,
            text=above + document.text,
            offset=len(above) + place.offset,
            trigger=trigger,
            root=root,
            document=document.uri,
        )

    def open_document(self, uri: str) -> Document | None:
        """The document, where it is open and known to the last character."""
        document = self.documents.get(uri)
        return document if document is not None and document.in_sync else None

    def why_not_open(self, uri: str) -> str:
        """The reason of the silence where `open_document` has none."""
        return str(reasons.OUT_OF_STEP if self.documents.get(uri) else reasons.DOCUMENT_CLOSED)

    def changed(self, document: Document) -> None:
        """The user has changed the document."""
        self.rhythm.key(self._loop.time())
        self.feedback.changed(document.uri, document.text)

    def forget(self, document: Document) -> None:
        """The document was closed."""
        self.uses_inline_completion.discard(document.uri)
        self._said = {(uri, reason) for uri, reason in self._said if uri != document.uri}
        self.feedback.closed(document.uri)

    # ---- answers

    def own_endings(self, text: str, place: Place) -> str:
        """``text`` with the line endings that the client wants to insert there."""
        return text if self.client.inserts_plain_newlines else place.with_own_endings(text)

    def _text_of(self, uri: str) -> str | None:
        document = self.open_document(uri)
        return document.text if document else None

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._loop.call_later(seconds, call)

    def _dismissed(self, item_id: str) -> None:
        if self._backend is not None:
            self._backend.completer.dismissed(item_id)

    async def backend(self) -> Backend:
        """What stands behind the session, as soon as the settings are known."""
        while self._backend is None:
            await self._built.wait()
        return self._backend

    def served(self) -> None:
        """An answer came: whatever failed before works again."""
        if self.status.state == "failed":
            self.set_state("ready", "")
        self._say("")

    def silent(self, path: str, reason: str) -> None:
        """Nothing is shown, and why."""
        log.info("%s: nothing to show: %s", path, reason)
        self._say(f"nothing to show: {reason}")

    def silent_once(self, document: Document, reason: str) -> None:
        """A silence at every keystroke of a document: the log says it once, the status has better to tell."""
        if (document.uri, reason) not in self._said:
            self._said.add((document.uri, reason))
            log.info("%s: nothing to show: %s", document.uri.rpartition("/")[2], reason)

    # ---- the client's eyes

    def set_state(self, state: State, message: str) -> None:
        log.info("%s%s", state, f": {message}" if message else "")
        self.status.state, self.status.message = state, message
        self._reporter.changed()

    def _say(self, message: str) -> None:
        """What became of the last request; while the model loads or has failed, that matters more."""
        if self.status.state == "ready":
            self.status.message = message
            self._reporter.changed()

    def tell(self, kind: types.MessageType, message: str) -> None:
        """Show a message to the user."""
        log.warning("%s", message)
        self.server.window_show_message(types.ShowMessageParams(type=kind, message=f"mellum-lsp: {message}"))

    def progress(self, title: str) -> Progress:
        return Progress(self.server, self.background, title, shown=self.client.shows_progress)

    def status_document(self) -> dict[str, Any]:
        """The object of `mellum/status`."""
        backend = self._backend
        index = backend.index.status() if backend else None
        adapter = {"lora": str(backend.adapter)} if backend and backend.adapter else {}
        return {
            "state": self.status.state,
            "message": self.status.message,
            "model": self.status.model,
            **adapter,
            "engine": {
                "pid": backend.engine.pid if backend else None,
                "mode": backend.mode() if backend else "none",
            },
            "index": {
                "files": index.files if index else 0,
                "chunks": index.chunks if index else 0,
                "state": index.state if index else "empty",
            },
        }

    def _tell_status(self, document: dict[str, Any]) -> None:
        self.server.protocol.notify("mellum/status", document)

    def _tell_trace(self, params: types.LogTraceParams) -> None:
        self.server.protocol.notify("$/logTrace", params)

    async def in_thread(self, work: Callable[[], None]) -> None:
        """Run ``work``, which blocks, in a thread of the session's own."""
        await self._loop.run_in_executor(self.executor, work)


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
