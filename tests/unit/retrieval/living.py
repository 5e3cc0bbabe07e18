"""Helpers for tests of the live index: what it must hold, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mellum_lsp.domain import Chunk
from mellum_lsp.retrieval.live import IndexStatus, LiveIndex
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.workspace.filters import read_text
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.walk import Walker

QUICK = IndexSettings(persist=False, debounce_ms=5, document_debounce_ms=5, poll_seconds=0.2)
PATIENCE_SECONDS = 20.0


@contextmanager
def running(
    *folders: Path, settings: IndexSettings = QUICK, on_status: Callable[[IndexStatus], None] | None = None
) -> Iterator[LiveIndex]:
    """An index that has read its folders; closed whatever comes of it."""
    index = LiveIndex(folders, settings, on_status)
    try:
        index.start()
        assert index.wait_until_ready(PATIENCE_SECONDS)
        yield index
    finally:
        index.close()


def paths(index: LiveIndex) -> set[str]:
    """Of all files that the index has something of."""
    return {chunk.path for chunk in index.all_chunks()}


def from_scratch(root: Path, opened: dict[str, str] | None = None) -> list[Chunk]:
    """What an index of the folder as it is now, and of these documents, must hold."""
    index, walker = ProjectIndex(QUICK), Walker(root, QUICK)
    texts = [(found.path, read_text(root / found.path, QUICK)) for found in walker.walk()]
    index.add_all((path, text) for path, text in texts if isinstance(text, str))
    for path, text in (opened or {}).items():
        index.add(path, text) if walker.allows(path) else index.remove(path)
    return list(index.all_chunks())


def eventually(check: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.02)
    return check()


def write(path: Path, text: str = "value = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
