"""The workspace folders and the names that documents have in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from lsprotocol import types

from mellum_lsp.lsp import uris


class Folders:
    """Folders by URI, in the order in which the client added them. Folders that are no files are left out."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}

    def __iter__(self) -> Iterator[Path]:
        return iter(self._paths.values())

    def add(self, folders: Iterable[types.WorkspaceFolder]) -> list[Path]:
        """The folders that are new."""
        added = []
        for folder in folders:
            path = uris.to_path(folder.uri)
            if path is not None and path not in self._paths.values():
                self._paths[unquote(folder.uri)] = path
                added.append(path)
        return added

    def remove(self, folders: Iterable[types.WorkspaceFolder]) -> list[Path]:
        """The folders that were there."""
        gone = (self._paths.pop(unquote(folder.uri), None) for folder in folders)
        return [path for path in gone if path is not None]

    def locate(self, path: Path) -> tuple[str, str]:
        """The innermost folder around ``path`` and the path in it with ``/``; outside ``""`` and its name."""
        around = [folder for folder in self if path.is_relative_to(folder)]
        if not around:
            return "", uris.presentable(path.name) or uris.NAMELESS
        folder = max(around, key=lambda folder: len(folder.parts))
        return str(folder), uris.presentable(path.relative_to(folder).as_posix())
