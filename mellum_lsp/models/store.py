"""Where the user's models live: a folder for each under the data directory, with its GGUF and its origin."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
from platformdirs import PlatformDirs

_ORIGIN = "origin.json"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stored model comes from: a file of the hub, or the model that it was quantised from.

    ``sha256`` in hexadecimal and ``size`` in bytes are those of the file in the store.
    """

    file: str
    sha256: str
    size: int
    repository: str = ""
    commit: str = ""
    quantized_from: str = ""


def store_folder() -> Path:
    """``models`` in the user's data directory (``XDG_DATA_HOME`` is honoured); it may not exist."""
    return Path(PlatformDirs("mellum-lsp", appauthor=False).user_data_dir) / "models"


def folder_of(name: str) -> Path:
    """The folder of the model called ``name``; it may not exist."""
    return store_folder() / name


def pulled(name: str) -> Path | None:
    """The GGUF of the stored model ``name``, None where it is not there.

    A download in progress has another ending than ``.gguf``, so what is found here is complete.
    """
    if not name or name != Path(name).name or name.startswith("."):
        return None  # not a name of ours; never a way out of the folder
    folder = folder_of(name)
    return min(folder.glob("*.gguf"), default=None) if folder.is_dir() else None


def all_pulled() -> dict[str, Path]:
    """The GGUF of every stored model by its name."""
    folder = store_folder()
    if not folder.is_dir():
        return {}
    found = {entry.name: pulled(entry.name) for entry in sorted(folder.iterdir()) if entry.is_dir()}
    return {name: path for name, path in found.items() if path}


def origin_of(name: str) -> Origin | None:
    """What was recorded of the stored model ``name``; None for a file that was put there by hand."""
    try:
        return msgspec.json.decode((folder_of(name) / _ORIGIN).read_bytes(), type=Origin)
    except (OSError, msgspec.DecodeError):
        return None


def record(name: str, origin: Origin) -> None:
    """Remember where the file of ``name`` comes from, and drop what an earlier file left in its folder."""
    folder = folder_of(name)
    (folder / _ORIGIN).write_bytes(msgspec.json.format(msgspec.json.encode(origin), indent=2))
    for old in (*folder.glob("*.gguf"), *folder.glob("*.part")):
        if old.name != origin.file:
            old.unlink()


def remove(name: str) -> int:
    """Remove the model ``name`` and what a broken transfer left of it; returns the bytes that were freed."""
    folder = folder_of(name)
    freed = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    shutil.rmtree(folder)
    return freed
