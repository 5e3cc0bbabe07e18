"""The engine's start, shared by all who wait for it, and its troubles, each told once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mellum_lsp.completion import reasons
from mellum_lsp.engine.interface import Engine, EngineError

log = logging.getLogger(__name__)

OnError = Callable[[EngineError], None]


class Loading:
    """Starts the engine on demand. ``on_error`` hears of a trouble once, until the engine serves again."""

    def __init__(self, engine: Engine, on_error: OnError | None) -> None:
        self._engine = engine
        self._on_error = on_error
        self._told = ""
        self._starting: asyncio.Task[object] | None = None

    async def wait(self, seconds: float | None) -> reasons.Reason | None:
        """None once the engine is loaded, or why it is not after ``seconds`` (None: however long that is)."""
        if self._engine.info is not None:
            return None
        if self._starting is None:
            self._starting = asyncio.create_task(self._engine.start(), name="start the engine")
            self._starting.add_done_callback(self._started)
        starting = self._starting
        await asyncio.wait([starting], timeout=seconds)
        if not starting.done():
            return reasons.MODEL_LOADING
        if starting.cancelled():
            return reasons.SHUTTING_DOWN
        error = starting.exception()
        if isinstance(error, EngineError):
            return self.failed(error)
        if error:
            raise error
        return None

    def failed(self, error: EngineError) -> reasons.Reason:
        """The reason for an outcome; the error itself is told once."""
        message = str(error)
        if message != self._told:
            self._told = message
            log.warning("the engine failed: %s", message)
            if self._on_error:
                self._on_error(error)
        return reasons.engine_failed(message)

    def served(self) -> None:
        """The engine has answered: its next trouble is news again."""
        self._told = ""

    def close(self) -> None:
        if self._starting:
            self._starting.cancel()

    def _started(self, task: asyncio.Task[object]) -> None:
        self._starting = None
        if not task.cancelled() and isinstance(error := task.exception(), EngineError):
            self.failed(error)  # also where nobody waited so long
