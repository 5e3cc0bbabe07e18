"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Check:
    """``detail`` is for the user, ``hint`` says what to do about a problem, ``facts`` are the figures.

    ``private`` facts (paths, names) are shown to the user and left out of a report for others; nothing in
    ``facts`` may tell who or where somebody is.
    """

    name: str
    status: Status
    detail: str
    hint: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)
