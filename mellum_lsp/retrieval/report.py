"""What a folder's index holds and what it cost, for the command line."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from mellum_lsp.domain import Caret, ScoredChunk
from mellum_lsp.retrieval.live import LiveIndex
from mellum_lsp.workspace.settings import IndexSettings

_LONGEST_SECONDS = 24 * 3600.0


def index_report(folder: Path, settings: IndexSettings) -> dict[str, Any]:
    """Indexes a folder: files, chunks, bytes (of indexed text), seconds, rss_mb, skipped (by reason)."""
    begun = time.perf_counter()
    index = _indexed(folder, settings)
    seconds = time.perf_counter() - begun
    try:
        status = index.status()
    finally:
        index.close()
    return {
        "files": status.files,
        "chunks": status.chunks,
        "bytes": status.bytes,
        "seconds": round(seconds, 3),
        "rss_mb": round(resident_megabytes(), 1),
        "skipped": dict(sorted(status.skipped.items())),
    }


def query_report(folder: Path, settings: IndexSettings, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
    """Indexes a folder and ranks its chunks for a caret, best first."""
    index = _indexed(folder, settings)
    try:
        return index.query(caret, limit)
    finally:
        index.close()


def resident_megabytes() -> float:
    """The memory that this process holds now."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * 4096 / 1e6
    except (OSError, ValueError, IndexError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _indexed(folder: Path, settings: IndexSettings) -> LiveIndex:
    index = LiveIndex([folder], settings)
    index.start()
    index.wait_until_ready(_LONGEST_SECONDS)
    return index
