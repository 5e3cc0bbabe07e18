"""Open notebooks: which cells they have, in which order.

A cell is a document of its own, but it is read after those above it: `text_above` is what a completion in a
cell sees in front of it.
"""

from __future__ import annotations

import logging
from urllib.parse import unquote

from lsprotocol import types

from mellum_lsp.lsp.documents import Document, Documents

log = logging.getLogger(__name__)


class Notebooks:
    """Keeps the cells of open notebooks; their texts live in ``documents``."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._cells: dict[str, list[types.NotebookCell]] = {}
        self._notebook_of: dict[str, str] = {}

    def open(self, params: types.DidOpenNotebookDocumentParams) -> None:
        notebook = params.notebook_document
        self._cells[notebook.uri] = list(notebook.cells)
        for cell in params.cell_text_documents:
            self._open_cell(notebook.uri, cell)

    def change(self, params: types.DidChangeNotebookDocumentParams) -> list[Document]:
        """The cells whose text changed."""
        uri = params.notebook_document.uri
        cells = self._cells.get(uri)
        if cells is None:
            log.warning("ignored a change of a notebook that is not open: %s", uri)
            return []
        if (change := params.change.cells) is None:
            return []
        if structure := change.structure:
            start = min(structure.array.start, len(cells))
            cells[start : start + structure.array.delete_count] = structure.array.cells or ()
            for opened in structure.did_open or ():
                self._open_cell(uri, opened)
            for closed in structure.did_close or ():
                self._close_cell(closed.uri)
        kinds = {cell.document: cell for cell in change.data or ()}
        cells[:] = [kinds.get(cell.document, cell) for cell in cells]
        edited = [
            self._documents.change(text.document.uri, text.document.version, text.changes)
            for text in change.text_content or ()
        ]
        return [cell for cell in edited if cell is not None]

    def close(self, params: types.DidCloseNotebookDocumentParams) -> None:
        self._cells.pop(params.notebook_document.uri, None)
        for cell in params.cell_text_documents:
            self._close_cell(cell.uri)

    def notebook_of(self, cell_uri: str) -> str | None:
        """The URI of the notebook that holds the cell; None for a document of its own."""
        return self._notebook_of.get(unquote(cell_uri))

    def text_above(self, cell: Document) -> str:
        """The code of the cells above ``cell`` in its language, each ending with a newline."""
        above = []
        for other in self._cells.get(self.notebook_of(cell.uri) or "", ()):
            if unquote(other.document) == unquote(cell.uri):
                break
            document = self._documents.get(other.document)
            if other.kind is types.NotebookCellKind.Code and document and document.language == cell.language:
                above.append(document.text if document.text.endswith("\n") else document.text + "\n")
        return "".join(above)

    def _open_cell(self, notebook_uri: str, cell: types.TextDocumentItem) -> None:
        self._documents.open(cell)
        self._notebook_of[unquote(cell.uri)] = notebook_uri

    def _close_cell(self, cell_uri: str) -> None:
        self._documents.close(cell_uri)
        self._notebook_of.pop(unquote(cell_uri), None)
