"""What became of suggestions, on its way from the client to the local store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

log = logging.getLogger(__name__)

Kind = Literal["shown", "accepted", "partially accepted", "dismissed"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to ``suggestion``; ``length`` UTF-16 units of it were taken, if known."""

    kind: Kind
    suggestion: str
    length: int | None = None


class FeedbackChannel:
    """Hands events on to whoever keeps them."""

    def __init__(self) -> None:
        self.keep: Callable[[Event], None] | None = None

    def tell(self, event: Event) -> None:
        log.info("%s: %s", event.kind, event.suggestion)
        if self.keep is not None:
            self.keep(event)
