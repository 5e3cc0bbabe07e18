"""What the server would know of the project here, without indexing it."""

from __future__ import annotations

import time
from pathlib import Path

from mellum_lsp.diagnosis.check import Check
from mellum_lsp.retrieval.persist import cache_file, fingerprint, load
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.walk import Walker

_SECONDS = 5.0
"""A folder that takes longer to walk is told as it is known by then."""


def check_project(root: Path, settings: IndexSettings | None = None) -> Check:
    """The files that would be indexed below ``root``, and the index that an earlier session kept."""
    settings = settings or IndexSettings()
    root = root.resolve()
    walker, deadline = Walker(root, settings), time.perf_counter() + _SECONDS
    files, folders, whole = 0, {""}, True
    for found in walker.walk():
        files += 1
        folders.add(found.path.rpartition("/")[0])
        if time.perf_counter() > deadline:
            whole = False
            break
    kept = _kept(root, settings)
    facts = {
        "files": files,
        "folders": len(folders),
        "counted_all": whole,
        "skipped": dict(sorted(walker.skipped.items())),
        **kept,
    }
    more = "" if whole else "more than "
    skipped = sum(walker.skipped.values())
    detail = f"{more}{files} files to index in {root}, {skipped} left out; {_told(kept)}"
    if not files:
        return Check("project", "ok", f"no code to index in {root}", facts=facts, private={"root": str(root)})
    return Check("project", "ok", detail, facts=facts, private={"root": str(root)})


def _kept(root: Path, settings: IndexSettings) -> dict[str, float | int | None]:
    """The index on disk: its files and chunks, and how many hours ago it was written; None without one."""
    path = cache_file([str(root)])
    saved = load(path, fingerprint(settings))
    if saved is None:
        return {"indexed_files": None, "indexed_chunks": None, "indexed_hours_ago": None}
    hours = (time.time() - path.stat().st_mtime) / 3600
    return {
        "indexed_files": len(saved.batch.files),
        "indexed_chunks": saved.batch.chunks,
        "indexed_hours_ago": round(hours, 1),
    }


def _told(kept: dict[str, float | int | None]) -> str:
    hours = kept["indexed_hours_ago"]
    if hours is None:
        return "not indexed yet, the first editor that opens it does that"
    age = f"{hours:.0f} hours ago" if hours >= 1 else "within the last hour"
    return f"an index of {kept['indexed_files']} files was kept {age}"
