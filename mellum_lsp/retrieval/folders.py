"""The open workspace folders and documents: which folder a path belongs to, under which names it is known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


class Folders:
    """Folders by their real path. Looking up a path costs no system call.

    A ``loose`` folder is there for a document outside of all others: only what lies right in it belongs to
    it.
    """

    def __init__(self) -> None:
        self._real_of: dict[str, str] = {}
        self._loose: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._real_of.values()))

    def __bool__(self) -> bool:
        return bool(self._real_of)

    def __contains__(self, root: str) -> bool:
        return root in self._real_of.values()

    @property
    def projects(self) -> list[str]:
        """All folders but the loose ones."""
        return [root for root in self if root not in self._loose]

    def add(self, path: Path, loose: bool = False) -> str:
        """Opens a folder; returns its real path, by which the index knows it."""
        real = os.path.realpath(path)
        for name in (str(path), os.path.abspath(path), real):  # noqa: PTH100  (links stay as they are)
            self._real_of[name] = real
        if loose:
            self._loose.add(real)
        else:
            self._loose.discard(real)
        return real

    def remove(self, path: Path) -> str:
        """Closes a folder; returns its real path."""
        real = self._real_of.get(str(path)) or os.path.realpath(path)
        self._real_of = {name: of for name, of in self._real_of.items() if of != real}
        self._loose.discard(real)
        return real

    def is_loose(self, root: str) -> bool:
        return root in self._loose

    def real(self, name: str) -> str:
        """The real path of an open folder given by any name; what is no open folder stays as it is."""
        return self._real_of.get(name, name)

    def locate(self, path: Path) -> tuple[str, str] | None:
        """The innermost folder that holds ``path``, and the path in it with ``/``; None where none does."""
        text = os.path.abspath(path)  # noqa: PTH100  (no system call)
        best: tuple[int, str, str] | None = None
        for name, real in self._real_of.items():
            base = name.rstrip(os.sep) + os.sep
            if text == name.rstrip(os.sep):
                inside = "."
            elif text.startswith(base):
                inside = text[len(base) :].replace(os.sep, "/")
            else:
                continue
            if real in self._loose and "/" in inside:
                continue
            if best is None or len(name) > best[0]:
                best = (len(name), real, inside)
        return best[1:] if best else None
