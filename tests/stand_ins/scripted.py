"""The package's own scripted engine, as servers and commands are given it: as a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def scripted(folder: Path, lines: Iterable[Mapping[str, object]], name: str = "script.json") -> str:
    """Write a script (its lines: docs/protocol.md) into the folder; returns what ``--model`` takes."""
    path = folder / name
    path.write_text(json.dumps(list(lines)), encoding="utf-8")
    return f"scripted:{path}"
