"""What the live index says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """``state``: empty (no folder), indexing, ready or failed. ``bytes`` counts indexed text as UTF-8.

    ``skipped`` counts by reason what the last look at every folder left out. ``polling`` says why changes on
    disk are only noticed every few seconds; empty where the operating system tells of them.
    """

    files: int = 0
    chunks: int = 0
    state: str = "empty"
    bytes: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    polling: str = ""
