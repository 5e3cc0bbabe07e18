"""Walks a workspace folder: every file worth indexing, and a count of the others by reason."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mellum_lsp.workspace.filters import skip_by_name
from mellum_lsp.workspace.ignore import IgnoreRules
from mellum_lsp.workspace.settings import IndexSettings


class FoundFile(NamedTuple):
    """A file on disk: its path in the folder, with ``/``, its size in bytes and when it was changed."""

    path: str
    size: int
    modified_ns: int


class Walker:
    """One view of a folder's rules: walks all of it, or judges single paths by the same rules.

    Links are never followed: what they lead to is either in the folder already or outside of the project.
    """

    def __init__(self, root: Path, settings: IndexSettings) -> None:
        self.root = root
        self.skipped: Counter[str] = Counter()
        self._settings = settings
        self._rules = IgnoreRules(root, settings.exclude)

    def walk(self) -> Iterator[FoundFile]:
        """Every file to be read, folder by folder in the order of names; counts the others in ``skipped``."""
        self.skipped.clear()
        found = 0
        folders = [""]
        while folders:
            folder = folders.pop()
            below: list[str] = []
            for entry in self._entries(folder):
                path = f"{folder}/{entry.name}" if folder else entry.name
                file = self._judge(path, folder, entry, below)
                if file is None:
                    continue
                found += 1
                if found > self._settings.max_files:
                    self.skipped["too many files"] += 1
                    continue
                yield file
            folders.extend(reversed(below))

    def find(self, path: str) -> FoundFile | None:
        """The file at a path, where there is one that `walk` would yield."""
        try:
            status = (self.root / path).lstat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or self._inside_link(path):
            return None
        if status.st_size > self._settings.max_file_bytes or skip_by_name(path, self._settings):
            return None
        if self._rules.ignores(path, False):
            return None
        return FoundFile(path, status.st_size, status.st_mtime_ns)

    def allows(self, path: str) -> bool:
        """Whether a document at this path may be indexed, be it on disk or not."""
        return skip_by_name(path, self._settings) is None and not self._rules.ignores(path, False)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            self.skipped["unreadable"] += 1
            return []
        if folder and any(entry.name == "pyvenv.cfg" for entry in found):
            self.skipped["ignored"] += 1
            return []
        return found

    def _judge(self, path: str, folder: str, entry: os.DirEntry[str], below: list[str]) -> FoundFile | None:
        """The file where it is one to be read; a folder to be walked goes to ``below``."""
        if not _is_text(entry.name):
            self.skipped["unreadable"] += 1
            return None
        try:
            if entry.is_symlink():
                self.skipped["link"] += 1
                return None
            is_folder = entry.is_dir(follow_symlinks=False)
            if self._rules.ignores_entry(folder, entry.name, is_folder):
                self.skipped["ignored"] += 1
                return None
            if is_folder:
                below.append(path)
                return None
            if not entry.is_file(follow_symlinks=False):
                return None
            reason = skip_by_name(path, self._settings)
            status = entry.stat(follow_symlinks=False) if reason is None else None
        except OSError:
            self.skipped["unreadable"] += 1
            return None
        if status is None or status.st_size > self._settings.max_file_bytes:
            self.skipped[reason or "too large"] += 1
            return None
        return FoundFile(path, status.st_size, status.st_mtime_ns)

    def _inside_link(self, path: str) -> bool:
        parent = Path(path).parent
        return any(
            (self.root / folder).is_symlink() for folder in (parent, *parent.parents) if str(folder) != "."
        )


def _is_text(name: str) -> bool:
    """Whether a file name is text: on Linux it may hold any bytes, which no editor could name to us."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
