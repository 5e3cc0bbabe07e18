"""Answers as they can be compared: without what is new each time (ids, process ids, times, versions)."""

from __future__ import annotations

from typing import Any

_TIMES = ("timings",)
_NEW_EACH_TIME = {"pid": "a process", "version": "a version"}
_BY_WHAT_CAME_BEFORE = ("reused", "evaluated")
"""Of the prompt's tokens: they depend on what else the engine was doing."""


def suggestions_in(answer: Any) -> list[str]:
    """The ids of the suggestions of an answer, in their order."""
    if isinstance(answer, list):
        return [found for item in answer for found in suggestions_in(item)]
    if not isinstance(answer, dict):
        return []
    if answer.get("command") == "mellum.accepted" and isinstance(answer.get("arguments"), list):
        return [argument for argument in answer["arguments"] if isinstance(argument, str)]
    return [found for value in answer.values() for found in suggestions_in(value)]


class Normal:
    """Calls the suggestions of one session by numbers, in the order in which they first came."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, answer: Any) -> Any:
        """``answer``, comparable with that of another session."""
        for suggestion in suggestions_in(answer):
            self._numbers.setdefault(suggestion, len(self._numbers) + 1)
        return self._plain(answer)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        if isinstance(value, dict):
            return {key: self._member(key, item) for key, item in value.items()}
        if isinstance(value, str) and value in self._numbers:
            return f"suggestion {self._numbers[value]}"
        return value

    def _member(self, key: str, value: Any) -> Any:
        if key in _NEW_EACH_TIME and value is not None:
            return _NEW_EACH_TIME[key]
        if key in _TIMES and isinstance(value, dict):
            return dict.fromkeys(value, "a time")
        if key == "tokens" and isinstance(value, dict):
            return {
                name: self._plain(count) for name, count in value.items() if name not in _BY_WHAT_CAME_BEFORE
            }
        return self._plain(value)
