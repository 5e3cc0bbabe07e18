"""Remembers how many tokens texts have, so that counting the same lines again needs no message to the
engine."""

from __future__ import annotations

from collections import OrderedDict


class CountCache:
    """Least recently used texts are forgotten once all together exceed ``capacity`` characters."""

    def __init__(self, capacity: int = 8_000_000):
        self._capacity = capacity
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._characters = 0

    def get(self, text: str) -> int | None:
        if text not in self._counts:
            return None
        self._counts.move_to_end(text)
        return self._counts[text]

    def put(self, text: str, count: int) -> None:
        if text not in self._counts:
            self._characters += len(text)
        self._counts[text] = count
        while self._characters > self._capacity:
            forgotten, _ = self._counts.popitem(last=False)
            self._characters -= len(forgotten)
