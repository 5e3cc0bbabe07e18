"""One client's session: all its state, and what its handlers do with it.

Handlers (`methods`) hold no state and decide nothing but how a message is answered. The session lives on the
event loop's thread alone; what comes from other threads is handed over with `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lsprotocol import types
from psutil import Process

from mellum_lsp.completion import reasons
from mellum_lsp.completion.rhythm import Rhythm
from mellum_lsp.domain import Caret, Trigger
from mellum_lsp.feedback.preferences import Preference
from mellum_lsp.lsp import editor_process, uris
from mellum_lsp.lsp.adapters import follow_adapters
from mellum_lsp.lsp.answers import Answers
from mellum_lsp.lsp.backend import Build
from mellum_lsp.lsp.background import Background
from mellum_lsp.lsp.client import Client
from mellum_lsp.lsp.configuration import Configuration
from mellum_lsp.lsp.documents import Document, Documents, Place
from mellum_lsp.lsp.exclusions import Exclusions
from mellum_lsp.lsp.feedback import Feedback, Record
from mellum_lsp.lsp.folders import Folders
from mellum_lsp.lsp.gate import ReadEvents
from mellum_lsp.lsp.index_feed import IndexFeed
from mellum_lsp.lsp.notebooks import Notebooks
from mellum_lsp.lsp.preferences import Preferences
from mellum_lsp.lsp.progress import Progress
from mellum_lsp.lsp.serving import Serving
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
        self.serving = Serving(self, build, model, read_events)
        self.feedback.on_dismissed = self.serving.dismissed
        self._loop = asyncio.get_running_loop()

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
        await self.serving.close()
        self.executor.shutdown(wait=False, cancel_futures=True)

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

    def status_changed(self) -> None:
        """What the status tells may be another: the engine's process, the index."""
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
        backend = self.serving.now
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
