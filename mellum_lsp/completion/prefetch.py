"""What will be wanted after a ghost is accepted, generated while the reader still looks at it.

Accepting a ghost, typing it to its end, and taking it by words or lines all lead to the same place, which is
known as soon as the ghost is shown. One generation of a few tokens there, in the background, makes the next
ghost appear at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from mellum_lsp.completion.flight import Flight
from mellum_lsp.completion.outcome import Item
from mellum_lsp.domain import Caret, Trigger


def accepted(caret: Caret, item: Item) -> Caret:
    """The caret behind ``item``, in the document that holds it."""
    before, after = caret.text[: caret.offset], caret.text[caret.offset + item.replace_after :]
    offset = caret.offset + len(item.text)
    return replace(caret, text=f"{before}{item.text}{after}", offset=offset, trigger=Trigger.AUTOMATIC)


class Prefetch:
    """Begins at most one generation for every ghost, once it has been on the screen for a moment.

    Who types faster than that has not read the ghost, and the engine would only work for nothing. ``begin``
    gets the place behind the ghost and starts a flight there, unless there is no need or no room for one.
    """

    def __init__(self, begin: Callable[[Caret], Flight | None]) -> None:
        self._begin = begin
        self._target: Caret | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flight: Flight | None = None

    def shown(self, caret: Caret, item: Item, delay_seconds: float) -> None:
        """The item is shown at ``caret``; one that is the rest of the last ghost leads to the same place."""
        target = accepted(caret, item)
        if target != self._target:
            self.stop()
            self._target = target
            self._timer = asyncio.get_running_loop().call_later(delay_seconds, self._run, target)

    def stop(self) -> None:
        """That ghost is gone."""
        self._target = None
        if self._timer:
            self._timer.cancel()
        if self._flight:
            self._flight.stop_if_unwanted()
            self._flight = None

    def _run(self, target: Caret) -> None:
        self._flight = self._begin(target)
