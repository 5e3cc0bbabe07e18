"""llama.vim's answers, kept under the text around the caret that they were made for."""

from __future__ import annotations

from collections import OrderedDict

from llama_vim_text import Local

LOOK_BACK_CHARACTERS, MOST_KEYS = 128, 250


class Cache:
    """Answers are found again up to so many characters back, and with up to three lines scrolled away."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], str] = OrderedDict()

    def __contains__(self, local: Local) -> bool:
        return any(key in self._kept for key in local.keys)

    def keep(self, local: Local, content: str) -> None:
        for key in local.keys:
            self._kept[key] = content
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEYS:
                self._kept.popitem(last=False)

    def find(self, local: Local) -> str | None:
        """The answer for this place, or what is left of the longest one that was typed along to it."""
        before, best = local.prefix + local.middle, None
        exact = self._find((before, local.suffix))
        if exact is not None:
            return exact
        for back in range(1, min(LOOK_BACK_CHARACTERS, len(before)) + 1):
            kept = self._find((before[:-back], local.suffix))
            if kept and kept.startswith(before[-back:]) and len(kept) - back > len(best or ""):
                best = kept[back:]
        return best

    def _find(self, key: tuple[str, str]) -> str | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]
