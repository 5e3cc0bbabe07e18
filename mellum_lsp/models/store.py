"""Where pulled models live: one folder for each under the user's data directory, with the GGUF in it."""

from __future__ import annotations

from pathlib import Path

from platformdirs import PlatformDirs


def store_folder() -> Path:
    """``models`` in the user's data directory (``XDG_DATA_HOME`` is honoured); it may not exist."""
    return Path(PlatformDirs("mellum-lsp", appauthor=False).user_data_dir) / "models"


def pulled(name: str) -> Path | None:
    """The GGUF of the pulled model ``name``, None where it is not there.

    A download in progress has another ending than ``.gguf``, so what is found here is complete.
    """
    folder = store_folder() / name
    return min(folder.glob("*.gguf"), default=None) if folder.is_dir() else None


def all_pulled() -> dict[str, Path]:
    """The GGUF of every pulled model by its name."""
    folder = store_folder()
    if not folder.is_dir():
        return {}
    found = {entry.name: pulled(entry.name) for entry in sorted(folder.iterdir()) if entry.is_dir()}
    return {name: path for name, path in found.items() if path}
