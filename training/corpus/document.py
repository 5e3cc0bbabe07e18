"""A source file of the corpus with its provenance, and the files in which documents are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Document:
    """A source file.

    ``path`` is what a workspace would show, ``language`` the LSP identifier, ``sha256`` that of ``text``,
    ``split`` train, validation or held_out.
    """

    ecosystem: str
    package: str
    version: str
    licence: str
    path: str
    language: str
    sha256: str
    split: str
    text: str


def read_documents(path: Path) -> Iterator[Document]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield Document(**json.loads(line))


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """One JSON object a line; complete or absent."""
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        for document in documents:
            file.write(json.dumps(asdict(document)) + "\n")
    partial.rename(path)


def write_manifest(path: Path, documents: Iterable[Document]) -> None:
    """The provenance of every file, without its text."""
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            row = asdict(document)
            del row["text"]
            file.write(json.dumps(row) + "\n")
