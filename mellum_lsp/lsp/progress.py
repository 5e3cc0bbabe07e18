"""Work-done progress in the editor: model load and indexing, where the client shows it.

Every progress has a token of its own, made for it: a token once used is never free again.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from lsprotocol import types

from mellum_lsp.lsp.background import Background

REPORT_SECONDS = 0.1
"""Editors redraw with every report: no more of them than this."""

PATIENCE_SECONDS = 10.0
"""How long a client may take to agree to a progress."""


class Progress:
    """One progress from its title to its end; without effect where the client shows none."""

    def __init__(self, server: Any, background: Background, title: str, *, shown: bool) -> None:
        self._server = server
        self._token = str(uuid.uuid4())
        self._begun = self._ended = False
        self._reported = 0.0
        self._last: tuple[float | None, str] = (None, "")
        if shown:
            background.spawn(self._begin(title), "showing progress")

    def report(self, fraction: float | None, message: str = "") -> None:
        """Say how far the work is, from 0 to 1, None where that is not known."""
        self._last = fraction, message
        now = time.monotonic()
        if self._begun and not self._ended and now - self._reported >= REPORT_SECONDS:
            self._reported = now
            percentage = None if fraction is None else _percentage(fraction)
            self._notify(types.WorkDoneProgressReport(message=message or None, percentage=percentage))

    def end(self, message: str = "") -> None:
        """The work has come to its end, good or bad."""
        if self._begun and not self._ended:
            self._notify(types.WorkDoneProgressEnd(message=message or None))
        self._ended = True

    async def _begin(self, title: str) -> None:
        created = self._server.window_work_done_progress_create_async(
            types.WorkDoneProgressCreateParams(token=self._token)
        )
        try:
            await asyncio.wait_for(created, PATIENCE_SECONDS)
        except Exception:  # refused, or no answer: then there is no progress to see
            self._ended = True
        if self._ended:  # meanwhile the work is done
            return
        fraction, message = self._last
        self._begun = True
        self._notify(
            types.WorkDoneProgressBegin(
                title=title,
                message=message or None,
                percentage=None if fraction is None else _percentage(fraction),
                cancellable=False,
            )
        )

    def _notify(self, value: Any) -> None:
        self._server.progress(types.ProgressParams(token=self._token, value=value))


def _percentage(fraction: float) -> int:
    return round(100 * min(max(fraction, 0.0), 1.0))
