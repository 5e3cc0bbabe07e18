"""How far two files are apart: the number of steps between their folders; and which files are nearest."""

from __future__ import annotations

from collections.abc import Iterator

UNRELATED_ROOTS = 8
"""Steps between files of different workspace folders."""


def hops(path: str, other: str) -> int:
    """Steps up and down the folders from one file to the other; 0 within one folder. Paths use ``/``."""
    ours, theirs = path.split("/")[:-1], other.split("/")[:-1]
    shared = 0
    for one, two in zip(ours, theirs, strict=False):
        if one != two:
            break
        shared += 1
    return len(ours) + len(theirs) - 2 * shared


class FolderTree:
    """The files of one workspace folder by their folders. One writer; readers may run beside it."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, None]] = {"": {}}
        self._below: dict[str, dict[str, None]] = {"": {}}

    def add(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        self._files.setdefault(folder, {})[path] = None
        while folder:
            above = folder.rpartition("/")[0]
            self._below.setdefault(above, {})[folder] = None
            folder = above

    def remove(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        self._files.get(folder, {}).pop(path, None)
        while folder and not self._files.get(folder) and not self._below.get(folder):
            self._files.pop(folder, None)
            self._below.pop(folder, None)
            above = folder.rpartition("/")[0]
            self._below.get(above, {}).pop(folder, None)
            folder = above

    def below(self, folder: str) -> Iterator[str]:
        """All files in a folder, at any depth; ``""`` is the workspace folder itself."""
        yield from tuple(self._files.get(folder, ()))
        for inner in tuple(self._below.get(folder, ())):
            yield from self.below(inner)

    def nearest(self, path: str) -> Iterator[tuple[str, int]]:
        """The other files with their hops, breadth-first from the folder of ``path``."""
        folders, seen = [path.rpartition("/")[0]], {path.rpartition("/")[0]}
        steps = 0
        while folders:
            following: list[str] = []
            for folder in folders:
                yield from ((file, steps) for file in sorted(self._files.get(folder, ())) if file != path)
                around = [
                    *sorted(self._below.get(folder, ())),
                    *([folder.rpartition("/")[0]] if folder else []),
                ]
                following += [one for one in around if one not in seen]
                seen.update(around)
            folders, steps = following, steps + 1
