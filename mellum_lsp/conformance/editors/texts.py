"""The editor's documents, followed as a server does, and held against all that tells of them twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lsprotocol import types

from mellum_lsp.conformance.editors.finding import Finding, Promise
from mellum_lsp.conformance.recordings import Entry
from mellum_lsp.lsp import uris
from mellum_lsp.lsp.documents import Document, Documents
from mellum_lsp.lsp.positions import choose_encoding
from mellum_lsp.lsp.reading import UnreadableError, make_converter, read

_AT_A_POSITION = (
    "textDocument/inlineCompletion",
    "textDocument/completion",
    "mellum/explain",
    "mellum/didMoveCaret",
)
_CHANGES = {
    "textDocument/didOpen": types.DidOpenTextDocumentParams,
    "textDocument/didChange": types.DidChangeTextDocumentParams,
    "textDocument/didSave": types.DidSaveTextDocumentParams,
    "textDocument/didClose": types.DidCloseTextDocumentParams,
}


class Texts:
    """Judges the synchronisation of documents. `documents` are as the editor told them so far.

    ``ended_at`` is the time of the recording's end (of `time.time`): a file that was changed later proves
    nothing.
    """

    def __init__(self, ended_at: float) -> None:
        self.documents = Documents()
        self._ended_at = ended_at
        self._open = Promise("open", "A document is opened once, then changed, asked about and closed")
        self._form = Promise("changes", "Changes have the form of the protocol")
        self._versions = Promise("versions", "Every change has a greater version")
        self._places = Promise("positions", "Positions exist, in the units agreed on")
        self._texts = Promise("texts", "What was changed is what was saved")
        self._converter = make_converter()
        self._saved: dict[str, tuple[Entry, str]] = {}

    def see(self, entry: Entry) -> None:
        params = entry.params
        if entry.sender == "server":
            result = (entry.message or {}).get("result")
            capabilities = result.get("capabilities") if isinstance(result, dict) else None
            if isinstance(capabilities, dict):
                self.documents.encoding = choose_encoding([capabilities.get("positionEncoding")])
        elif entry.method in _CHANGES:
            try:
                self._apply(entry, read(self._converter, params, _CHANGES[entry.method]))
            except UnreadableError as error:
                self._form.broken(entry, f"{entry.method}: {error}")
        elif entry.method in _AT_A_POSITION and isinstance(params, dict):
            self._asked(entry, params)

    def _apply(self, entry: Entry, params: Any) -> None:
        self._form.kept()
        uri = params.text_document.uri
        document = self.documents.get(uri)
        if isinstance(params, types.DidOpenTextDocumentParams):
            self._open.require(document is None, entry, f"{uri} is open already")
            self.documents.open(params.text_document)
        elif document is None:
            self._open.broken(entry, f"{entry.method} of {uri}, which is not open")
        elif isinstance(params, types.DidChangeTextDocumentParams):
            self._changed(entry, document, params)
        elif isinstance(params, types.DidSaveTextDocumentParams):
            if params.text is not None:
                self._texts.require(
                    params.text == document.raw, entry, f"{uri}: {_differ(document, params.text)}"
                )
            self._saved[uri] = entry, document.raw
        else:
            self._open.kept()
            self.documents.close(uri)

    def _changed(self, entry: Entry, document: Document, params: types.DidChangeTextDocumentParams) -> None:
        version = params.text_document.version
        newer = version > document.version
        self._versions.require(newer, entry, f"version {version} after {document.version}")
        for change in params.content_changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                for position in (change.range.start, change.range.end):
                    self._place(entry, document, position)
            document.change([change])
        document.version = version

    def _asked(self, entry: Entry, params: dict[str, Any]) -> None:
        try:
            place = read(
                self._converter,
                {key: params.get(key) for key in ("textDocument", "position")},
                types.TextDocumentPositionParams,
            )
        except UnreadableError as error:
            self._form.broken(entry, f"{entry.method}: {error}")
            return
        document = self.documents.get(place.text_document.uri)
        self._open.require(document, entry, f"{entry.method} in {place.text_document.uri}, which is not open")
        if document:
            self._place(entry, document, place.position)

    def _place(self, entry: Entry, document: Document, position: types.Position) -> None:
        """The end of the text may also be told as the line behind the last."""
        exists = position == types.Position(document.line_count, 0) or (
            document.place(position).range().start == position
        )
        self._places.require(
            exists,
            entry,
            f"{entry.method}: there is no {position.line}:{position.character} in {document.uri}",
        )

    def findings(self) -> Iterator[Finding]:
        for uri, (entry, text) in self._saved.items():
            on_disk = self._on_disk(uri)
            if on_disk is not None:
                same = on_disk.replace("\r\n", "\n") == text.replace("\r\n", "\n")
                self._texts.require(same, entry, f"{uri} is another on disk than the editor told")
        for promise in (self._open, self._form, self._versions, self._places, self._texts):
            yield promise.finding()

    def _on_disk(self, uri: str) -> str | None:
        """The file as it was when the recording ended; None where nobody can know."""
        path = uris.to_path(uri)
        try:
            if path is None or Path(path).stat().st_mtime > self._ended_at:
                return None
            return Path(path).read_bytes().decode("utf-8").removeprefix("\ufeff")
        except (OSError, UnicodeDecodeError):
            return None


def _differ(document: Document, text: str) -> str:
    """Where the two are no longer the same."""
    for number, (told, saved) in enumerate(zip(document.raw.split("\n"), text.split("\n"), strict=False), 1):
        if told != saved:
            return f"line {number} was saved as {saved!r}, told as {told!r}"
    return f"{len(text)} characters were saved, {len(document.raw)} told"
