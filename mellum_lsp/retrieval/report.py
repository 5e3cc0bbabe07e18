"""What a folder's index holds and what it cost, for the command line."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mellum_lsp.domain import Caret, ScoredChunk
from mellum_lsp.retrieval.live import LiveIndex
from mellum_lsp.retrieval.persist import cache_file
from mellum_lsp.workspace.settings import IndexSettings

_LONGEST_SECONDS = 24 * 3600.0


def index_report(folder: Path, settings: IndexSettings) -> dict[str, Any]:
    """Indexes a folder from nothing: files, chunks, bytes (of text), seconds, rss_mb, skipped (by reason).

    ``rss_mb`` is what this process and the index's worker hold in the end.
    """
    cache = cache_file([str(folder.resolve())])
    cache.unlink(missing_ok=True)  # from nothing: what was kept would make it look faster
    begun = time.perf_counter()
    index = _indexed(folder, settings)
    seconds = time.perf_counter() - begun
    try:
        status, memory = index.status(), index.resident_megabytes()
    finally:
        index.close()
    return {
        "files": status.files,
        "chunks": status.chunks,
        "bytes": status.bytes,
        "seconds": round(seconds, 3),
        "rss_mb": round(memory, 1),
        "skipped": dict(sorted(status.skipped.items())),
    }


def query_report(folder: Path, settings: IndexSettings, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
    """Indexes a folder and ranks its chunks for a caret, best first."""
    index = _indexed(folder, settings)
    try:
        return index.query(caret, limit)
    finally:
        index.close()


def _indexed(folder: Path, settings: IndexSettings) -> LiveIndex:
    index = LiveIndex([folder], replace(settings, watch=False))
    index.start()
    index.wait_until_ready(_LONGEST_SECONDS)
    return index
