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

    Links are never followed: what they lead to is either in the folder already or outside of the project. A
    ``loose`` folder is nobody's project, only where a document lies: none of the folders in it is entered.
    """

    def __init__(self, root: Path, settings: IndexSettings, loose: bool = False) -> None:
        self.root = root
        self.skipped: Counter[str] = Counter()
        self._settings = settings
        self._loose = loose
        self._most = settings.max_loose_files if loose else settings.max_files
        self._rules = IgnoreRules(root, settings.exclude)

    def walk(self, below: str = "") -> Iterator[FoundFile]:
        """Every file to be read, folder by folder in the order of names; counts the others in ``skipped``.

        ``below`` is the folder to walk, by the rules that hold in it now.
        """
        if below:
            self._rules.reread(below)
        found = 0
        folders = [below] if self._enters(below) else []
        while folders:
            folder = folders.pop()
            inner: list[str] = []
            for entry in self._entries(folder):
                path = f"{folder}/{entry.name}" if folder else entry.name
                file = self._judge(path, folder, entry, inner)
                if file is None:
                    continue
                found += 1
                if found > self._most:
                    self.skipped["too many files"] += 1
                    continue
                yield file
            folders.extend(reversed(inner))

    def folders(self, below: str = "") -> Iterator[str]:
        """The folders that `walk` enters, each before it is looked into: to be watched from then on."""
        if below:
            self._rules.reread(below)
        waiting = [below] if self._enters(below) else []
        while waiting:
            folder = waiting.pop()
            yield folder
            inner: list[str] = []
            for entry in self._entries(folder):
                if _is_text(entry.name) and _is_folder(entry):
                    self._judge(f"{folder}/{entry.name}" if folder else entry.name, folder, entry, inner)
            waiting.extend(reversed(inner))

    def _enters(self, folder: str) -> bool:
        """Whether a walk comes to a folder and looks into it."""
        if not folder:
            return True
        return not (self._loose or self._rules.ignores(folder, is_folder=True) or self._through_link(folder))

    def find(self, path: str) -> FoundFile | None:
        """The file at a path, where there is one that `walk` would yield."""
        try:
            status = (self.root / path).lstat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or self._through_link(path.rpartition("/")[0]):
            return None
        if status.st_size > self._settings.max_file_bytes or skip_by_name(path, self._settings):
            return None
        if self._rules.ignores(path):
            return None
        return FoundFile(path, status.st_size, status.st_mtime_ns)

    def allows(self, path: str) -> bool:
        """Whether a document at this path may be indexed, be it on disk or not."""
        return skip_by_name(path, self._settings) is None and not self._rules.ignores(path)

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
            if self._rules.ignores_entry(folder, entry.name, is_folder=is_folder):
                self.skipped["ignored"] += 1
                return None
            if is_folder:
                if not self._loose:
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

    def _through_link(self, folder: str) -> bool:
        """Whether a folder or one above it is a link."""
        while folder:
            if (self.root / folder).is_symlink():
                return True
            folder = folder.rpartition("/")[0]
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_text(name: str) -> bool:
    """Whether a file name is text: on Linux it may hold any bytes, which no editor could name to us."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
