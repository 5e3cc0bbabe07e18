"""What the user may decide about which files are indexed and how they are cut."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Typed defaults of the index.

    ``exclude`` are gitignore patterns on top of the project's own ignore files; ``languages`` are the LSP
    language identifiers that are indexed (``*`` is every language, ``-markdown`` takes one out).
    ``max_loose_files`` bounds what is read of the folder of a document that lies in no workspace folder.
    ``chunk_lines`` is the size up to which
    neighbouring small pieces are gathered into one chunk, ``max_chunk_lines`` and ``max_chunk_characters``
    bound every chunk. ``parse_ms`` is the longest that one file may keep the parser; afterwards it is cut
    by lines. ``debounce_ms`` and ``document_debounce_ms`` are how long the disk and a document must be
    quiet before they are looked at; ``poll_seconds`` is how often a folder that cannot be watched is
    compared with the index; ``worker_idle_seconds`` is how long the worker stays without work.
    """

    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("*",)
    max_file_bytes: int = 1_000_000
    max_files: int = 200_000
    max_loose_files: int = 200
    chunk_lines: int = 16
    max_chunk_lines: int = 48
    max_chunk_characters: int = 2400
    parse_ms: int = 1000
    watch: bool = True
    poll_seconds: float = 5.0
    debounce_ms: int = 15
    document_debounce_ms: int = 200
    worker_idle_seconds: float = 600.0
    persist: bool = True

    def wants(self, language: str) -> bool:
        """Whether files of ``language`` are indexed."""
        if f"-{language}" in self.languages:
            return False
        return "*" in self.languages or language in self.languages
