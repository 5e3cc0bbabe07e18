"""Which open documents are not completed at all: files that the project ignores, and files that hold secrets.

Rule files are read in a thread. A verdict is used until it has been looked at again: no keystroke waits for
the disk, and a changed ``.gitignore`` counts a few seconds later.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor

from mellum_lsp.domain import Caret
from mellum_lsp.lsp import uris
from mellum_lsp.lsp.background import Background
from mellum_lsp.workspace.ignore import is_excluded
from mellum_lsp.workspace.secrets import is_secret_path

FRESH_SECONDS = 5.0

_Place = tuple[str, str, str]  # a document's URI, its folder and its path in that


class Exclusions:
    """Verdicts by document and its place in the workspace."""

    def __init__(self, executor: Executor, background: Background) -> None:
        self._executor = executor
        self._background = background
        self._patterns: tuple[str, ...] = ()
        self._verdicts: dict[_Place, tuple[bool, float]] = {}
        self._looking: set[_Place] = set()

    def configure(self, patterns: tuple[str, ...]) -> None:
        """``patterns`` as in ``.gitignore`` exclude files besides the project's own rules."""
        self._patterns = patterns
        self._verdicts.clear()

    async def excludes(self, caret: Caret) -> bool:
        """Whether the caret's document must not be read. Folders count, also those outside the workspace."""
        if is_secret_path(caret.path) or is_secret_path(uris.location(caret.document)):
            return True
        place = caret.document, caret.root, caret.path
        verdict = self._verdicts.get(place)
        if verdict is None:
            return await self._look(place)
        if time.monotonic() - verdict[1] > FRESH_SECONDS and place not in self._looking:
            self._background.spawn(self._look(place), "reading ignore rules")
        return verdict[0]

    async def _look(self, place: _Place) -> bool:
        (uri, root, path), patterns = place, self._patterns
        self._looking.add(place)
        try:
            excluded = await asyncio.get_running_loop().run_in_executor(
                self._executor, is_excluded, uris.to_path(uri), root, path, patterns
            )
            if patterns == self._patterns:
                self._verdicts[place] = excluded, time.monotonic()
            return excluded
        finally:
            self._looking.discard(place)
