"""Which paths of a folder git, ripgrep or the user ignore: nested rule files, the nearest one first.

Order of precedence as in git, highest first: our own setting, then folder by folder from the path upwards its
``.ignore`` and its ``.gitignore``, then ``.git/info/exclude``, then the user's global excludes. What lies
in an ignored folder is ignored, whatever deeper rules say.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from mellum_lsp.workspace.patterns import Patterns
from mellum_lsp.workspace.secrets import is_secret_path

RULE_FILES = (".ignore", ".gitignore")
_ALWAYS = frozenset(
    {
        ".git", ".hg", ".svn", ".bzr", ".jj", "node_modules", "bower_components", "__pycache__",
        ".venv", "venv", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis",
        ".gradle", ".idea", ".terraform", ".next", ".nuxt", ".svelte-kit", ".parcel-cache", ".cache",
        ".eggs", ".ipynb_checkpoints", "site-packages",
    }
)  # fmt: skip
_Rules = tuple[Patterns, ...]


class IgnoreRules:
    """The rules of one workspace folder, read once; make another when a rule file changed."""

    def __init__(self, root: Path, exclude: Iterable[str] = ()) -> None:
        self._root = root
        self._own = Patterns(exclude)
        self._last = tuple(_specs([root / ".git" / "info" / "exclude", *_global_excludes(root)]))
        self._above = _rules_above(root)
        self._by_folder: dict[str, _Rules] = {}
        self._folders: dict[str, bool] = {"": False}

    def reread(self, folder: str) -> None:
        """The rule files in a folder and below may have changed."""
        for known in (self._by_folder, self._folders):
            for path in [path for path in known if path == folder or path.startswith(f"{folder}/")]:
                del known[path]

    def ignores(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether a path (relative to the root, with ``/``) is ignored, itself or by a folder above it."""
        folder, _, name = path.rpartition("/")
        if self._ignores_folder(folder):
            return True
        return self.ignores_entry(folder, name, is_folder=is_folder)

    def ignores_entry(self, folder: str, name: str, *, is_folder: bool) -> bool:
        """The same for an entry of a folder that is known not to be ignored, as while walking."""
        if is_folder and name in _ALWAYS:
            return True
        path = f"{folder}/{name}" if folder else name
        verdict = self._own.verdict(path, is_folder)
        at = folder
        while verdict is None:
            inside = path[len(at) + 1 :] if at else path
            verdict = _first_verdict(self._rules_in(at), inside, is_folder)
            if not at:
                break
            at = at.rpartition("/")[0]
        for rules, base in self._above:
            if verdict is None:
                verdict = _first_verdict(rules, f"{base}/{path}", is_folder)
        if verdict is None:
            verdict = _first_verdict(self._last, path, is_folder)
        return bool(verdict)

    def _ignores_folder(self, folder: str) -> bool:
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self.ignores(folder, is_folder=True)
        return known

    def _rules_in(self, folder: str) -> _Rules:
        rules = self._by_folder.get(folder)
        if rules is None:
            base = self._root / folder if folder else self._root
            rules = self._by_folder[folder] = tuple(_specs(base / name for name in RULE_FILES))
        return rules


def is_excluded(file: Path | None, root: str, path: str, exclude: Iterable[str] = ()) -> bool:
    """Whether a document must stay out of every prompt; looks at the disk.

    That is so where its ``file`` holds secrets by its name, be it a link's, or where the folder ``root``
    (``""``: it lies in none) ignores its ``path`` there.
    """
    if file and (is_secret_path(file.as_posix()) or is_secret_path(os.path.realpath(file))):
        return True
    return bool(root) and IgnoreRules(Path(root), exclude).ignores(path)


def is_rule_file(path: str) -> bool:
    """Whether a file at this path decides which others are ignored."""
    return path == ".git/info/exclude" or path.rpartition("/")[2] in RULE_FILES


def _first_verdict(rules: _Rules, path: str, is_folder: bool) -> bool | None:
    for patterns in rules:
        verdict = patterns.verdict(path, is_folder)
        if verdict is not None:
            return verdict
    return None


def _specs(paths: Iterable[Path]) -> Iterable[Patterns]:
    for path in paths:
        try:
            lines = path.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        yield Patterns(lines)


def _rules_above(root: Path) -> list[tuple[_Rules, str]]:
    """The rule files between the root and the top of the repository that it lies in, nearest first."""
    found: list[tuple[_Rules, str]] = []
    if (root / ".git").exists():
        return found
    for parent in root.parents:
        base = root.relative_to(parent).as_posix()
        found.append((tuple(_specs(parent / name for name in RULE_FILES)), base))
        if (parent / ".git").exists():
            found.append((tuple(_specs([parent / ".git" / "info" / "exclude"])), base))
            return found
    return []


def _global_excludes(root: Path) -> list[Path]:
    """The file that git's ``core.excludesFile`` names, or git's default for it."""
    try:
        answer = subprocess.run(
            ["git", "config", "--type=path", "--get", "core.excludesFile"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=5,
            stdin=subprocess.DEVNULL,
            check=False,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        answer = ""
    if answer:
        return [Path(answer)]
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [Path(home) / "git" / "ignore"]
