"""What has changed and is still to be looked at: one queue for the watcher, the editor and the settings.

Pure but for the caller's clock: changes of one path merge, very many changes of one workspace folder become a
scan of all of it, and everything waits until it has been quiet for a moment (an atomic save is three events),
but not for long.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mellum_lsp.workspace.ignore import is_rule_file

MANY_PATHS = 2000
MANY_FOLDERS = 50
_LONGEST_WAIT = 10
"""How many times the quiet period a change waits at most while others follow."""


@dataclass(slots=True)
class Work:
    """Changes that are due, by workspace folder: folders in it to scan (``""`` for all of it), paths to look
    at, texts of documents."""

    scans: list[tuple[str, str]] = field(default_factory=list)
    paths: dict[str, list[str]] = field(default_factory=dict)
    documents: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Wait:
    """Since when something waits, and when the last of it came; in seconds."""

    first: float
    last: float

    def due_at(self, quiet: float) -> float:
        return min(self.last + quiet, self.first + _LONGEST_WAIT * quiet)


class Changes:
    """Not thread-safe. ``quiet`` and ``document_quiet`` are seconds without change before anything is due."""

    def __init__(self, quiet: float, document_quiet: float) -> None:
        self._quiet = quiet
        self._document_quiet = document_quiet
        self._scans: dict[str, dict[str, None]] = {}
        self._paths: dict[str, dict[str, None]] = {}
        self._documents: dict[tuple[str, str], str] = {}
        self._disk: _Wait | None = None
        self._editor: _Wait | None = None

    def __bool__(self) -> bool:
        return bool(self._scans or self._paths or self._documents)

    def scan(self, root: str, now: float, below: str = "") -> None:
        """A workspace folder is to be compared with the disk, or the folder ``below`` in it."""
        scans = self._scans.setdefault(root, {})
        if "" not in scans:
            scans[below] = None
        if "" in scans or len(scans) > MANY_FOLDERS:
            self._scans[root] = {"": None}
            self._paths.pop(root, None)
        self._disk = _touched(self._disk, now)

    def path(self, root: str, path: str, now: float) -> None:
        """Something happened to a path of a folder (relative, with ``/``); what, the disk will tell."""
        if path.startswith(".git/") and not is_rule_file(path):
            return
        if is_rule_file(path) or path in ("", "."):
            self.scan(root, now)
            return
        if "" not in self._scans.get(root, ()):
            paths = self._paths.setdefault(root, {})
            paths[path] = None
            if len(paths) > MANY_PATHS:
                self.scan(root, now)
        self._disk = _touched(self._disk, now)

    def document(self, root: str, path: str, text: str, now: float) -> None:
        """An open document has this text; only its last text counts."""
        self._documents[root, path] = text
        self._editor = _touched(self._editor, now)

    def closed(self, root: str, path: str, now: float) -> None:
        """A document is closed: the disk counts again."""
        self._documents.pop((root, path), None)
        self.path(root, path, now)

    def forget(self, root: str) -> None:
        """The folder is no longer open."""
        self._scans.pop(root, None)
        self._paths.pop(root, None)
        self._documents = {key: text for key, text in self._documents.items() if key[0] != root}

    def seconds_until_due(self, now: float) -> float | None:
        """0 when something is due, None when nothing waits."""
        dues = []
        if self._disk and (self._scans or self._paths):
            dues.append(self._disk.due_at(self._quiet))
        if self._editor and self._documents:
            dues.append(self._editor.due_at(self._document_quiet))
        return max(0.0, min(dues) - now) if dues else None

    def take(self, now: float) -> Work:
        """Hands out what is due."""
        work = Work()
        if self._disk and self._disk.due_at(self._quiet) <= now:
            work.scans = [(root, below) for root, scans in self._scans.items() for below in scans]
            work.paths = {root: list(paths) for root, paths in self._paths.items()}
            self._scans, self._paths, self._disk = {}, {}, None
        if self._editor and self._editor.due_at(self._document_quiet) <= now:
            work.documents = [(root, path, text) for (root, path), text in self._documents.items()]
            self._documents, self._editor = {}, None
        return work


def _touched(wait: _Wait | None, now: float) -> _Wait:
    return _Wait(wait.first if wait else now, now)
