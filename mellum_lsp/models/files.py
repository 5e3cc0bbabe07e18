"""Where the files of the project's own `models/` folder lie: in a checkout, or in an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_file(name: str) -> Path:
    """The path of ``models/NAME``, wherever it was installed (the file may not exist)."""
    installed = _PACKAGE / "_models" / name
    return installed if installed.is_file() else _PACKAGE.parent / "models" / name
