"""Which open documents are not completed at all: files that the project ignores, and files that hold secrets.

Rule files are read in a thread. A verdict is used until it has been looked at again: no keystroke waits for
the disk, and a changed ``.gitignore`` counts a few seconds later.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor
from pathlib import Path

from mellum_lsp.lsp.background import Background
from mellum_lsp.workspace.ignore import IgnoreRules
from mellum_lsp.workspace.secrets import is_secret_path

FRESH_SECONDS = 5.0


class Exclusions:
    """Verdicts by folder and path."""

    def __init__(self, executor: Executor, background: Background) -> None:
        self._executor = executor
        self._background = background
        self._patterns: tuple[str, ...] = ()
        self._verdicts: dict[tuple[str, str], tuple[bool, float]] = {}
        self._looking: set[tuple[str, str]] = set()

    def configure(self, patterns: tuple[str, ...]) -> None:
        """``patterns`` as in ``.gitignore`` exclude files besides the project's own rules."""
        self._patterns = patterns
        self._verdicts.clear()

    async def excludes(self, root: str, path: str) -> bool:
        """Whether the file ``path`` of the folder ``root`` (``""``: of none) must not be read."""
        if is_secret_path(path):
            return True
        if not root:
            return False
        verdict = self._verdicts.get((root, path))
        if verdict is None:
            return await self._look(root, path)
        if time.monotonic() - verdict[1] > FRESH_SECONDS and (root, path) not in self._looking:
            self._background.spawn(self._look(root, path), "reading ignore rules")
        return verdict[0]

    async def _look(self, root: str, path: str) -> bool:
        key, patterns = (root, path), self._patterns
        self._looking.add(key)
        try:
            ignored = await asyncio.get_running_loop().run_in_executor(
                self._executor, _ignored, root, path, patterns
            )
            if patterns == self._patterns:
                self._verdicts[key] = ignored, time.monotonic()
            return ignored
        finally:
            self._looking.discard(key)


def _ignored(root: str, path: str, patterns: tuple[str, ...]) -> bool:
    return IgnoreRules(Path(root), patterns).ignores(path, is_folder=False)
