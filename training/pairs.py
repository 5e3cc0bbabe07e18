"""Pairs of answers as they lie on disk: ``preferences/*.jsonl``, a pair a line.

The stage `preferences` writes them, and so does ``mellum-lsp stats export-preferences`` of what a user
preferred; the stage `dpo` reads both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt in token ids; an answer ends with the end of text, or does not and so goes
    on."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    reason: str


def write_pairs(path: Path, pairs: list[Pair]) -> None:
    path.write_text("".join(json.dumps(vars(pair)) + "\n" for pair in pairs), encoding="utf-8")


def read_pairs(folder: Path) -> list[Pair]:
    """All pairs of a run's folder ``preferences``."""
    return [
        Pair(**json.loads(line))
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
