"""Adapters that were tuned on the code of one workspace, and which of them serves there.

Each workspace has a folder below the data directory with its adapter and a record of it, for the user alone:
an adapter has learned from source text. Where there is no record the model serves alone.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from platformdirs import PlatformDirs

_RECORD = "record.json"


class AdapterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What serves in a workspace, and why.

    ``workspace`` is the folder's absolute path, ``file`` the adapter's name beside the record. ``model`` is
    what the user calls the model that it was tuned for, ``model_fingerprint`` tells that file from others.
    ``made`` is in seconds since the epoch. ``figures`` are those that it was found good by.
    """

    workspace: str
    file: str
    model: str
    model_fingerprint: str
    made: float
    figures: Mapping[str, object] = {}


def adapters_folder() -> Path:
    """``adapters`` in the user's data directory (``XDG_DATA_HOME`` is honoured); it may not exist."""
    return Path(PlatformDirs("mellum-lsp", appauthor=False).user_data_dir) / "adapters"


def folder_of(workspace: Path) -> Path:
    """The folder of a workspace's adapter; it may not exist."""
    return adapters_folder() / workspace_key(workspace)


def workspace_key(workspace: Path) -> str:
    """A file name for a workspace: its own name, and a digest of its path."""
    path = workspace.resolve()
    return f"{path.name or 'root'}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def activate(adapter: Path, record: AdapterRecord) -> Path:
    """Let a copy of ``adapter`` serve in the record's workspace from now on; where it is. Raises `OSError`.

    A server that looks meanwhile finds the adapter that served before, or this one.
    """
    folder = folder_of(Path(record.workspace))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / record.file
    shutil.copyfile(adapter, target)
    unfinished = folder / f"{_RECORD}.new"
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2))
    unfinished.replace(folder / _RECORD)
    for old in folder.glob("*.gguf"):
        if old != target:
            old.unlink()
    return target


def deactivate(workspace: Path) -> AdapterRecord | None:
    """Remove the workspace's adapter; its record, None where there was none. Raises `OSError`."""
    record = record_of(workspace)
    shutil.rmtree(folder_of(workspace), ignore_errors=record is None)
    return record


def record_of(workspace: Path) -> AdapterRecord | None:
    """The record of exactly this workspace; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode((folder_of(workspace) / _RECORD).read_bytes(), type=AdapterRecord)
    except (OSError, msgspec.DecodeError):
        return None


def adapter_around(folder: Path) -> tuple[AdapterRecord, Path] | None:
    """What was tuned for ``folder`` or the nearest folder around it, and where the adapter lies."""
    if not adapters_folder().is_dir():
        return None
    folder = folder.resolve()
    for workspace in (folder, *folder.parents):
        record = record_of(workspace)
        if record and (file := folder_of(workspace) / record.file).is_file():
            return record, file
    return None
