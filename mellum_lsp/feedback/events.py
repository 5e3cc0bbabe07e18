"""What can happen to a suggestion, in numbers and names; there is no place here for source text."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    SHOWN = "shown"
    ACCEPTED = "accepted"
    PARTIALLY_ACCEPTED = "partially accepted"
    DISMISSED = "dismissed"
    TYPED_THROUGH = "typed through"
    KEPT_30_S = "kept after 30 s"
    KEPT_5_MIN = "kept after 5 min"
    TYPED = "typed"
    """Not about a suggestion: characters that were typed by hand, some keystrokes together."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to the suggestion with the id ``suggestion``.

    ``at`` is in seconds since 1970; ``characters`` and ``lines`` are the suggestion's length, for a partial
    acceptance what was accepted of it so far, for one that was typed through what was typed of it;
    ``probability`` is the joint one of its tokens; ``latency_ms`` what the user waited for it; ``source``
    where it came from, by the words of `mellum_lsp.completion.outcome.Source`, and ``form`` what kind of
    completion it was, by those of `mellum_lsp.completion.thresholds.Form`. Of an accepted suggestion
    ``characters`` of ``of_characters`` (both without white space) are still in the document later.
    """

    kind: Kind
    suggestion: str
    language: str = ""
    model: str = ""
    characters: int = 0
    lines: int = 0
    probability: float = 0.0
    latency_ms: float = 0.0
    at: float = field(default_factory=time.time)
    source: str = ""
    of_characters: int = 0
    form: str = ""
