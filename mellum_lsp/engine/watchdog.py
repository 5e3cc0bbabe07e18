"""Ends an engine that hangs: a process that lives and says nothing any more.

A deadlock in native code, a driver that is stuck, somebody's SIGSTOP: the stream stays open, so nobody would
ever be told. An engine's readers answer at any time, also while it loads or decodes. So whoever waits, and
has heard nothing for long, asks for a sign of life; without one the process is killed, which the reader of
its stream takes for the crash that it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import psutil

from mellum_lsp.engine import messages
from mellum_lsp.engine.link import Link

log = logging.getLogger(__name__)

SILENCE_SECONDS = 10.0
"""Waited twice: for any frame at all, then for the answer to a question."""
_NOBODY = 0
"""The id of a question whose answer nobody waits for."""


class Watchdog:
    """Watches the engine behind one link at a time, on one event loop."""

    def __init__(self) -> None:
        self._watching: asyncio.Task[None] | None = None

    def watch(self, link: Link, is_awaited: Callable[[], bool]) -> None:
        """From now on, as long as somebody waits for the engine, unless it is watched already."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(_watch(link, is_awaited), name="engine watchdog")

    def stop(self) -> None:
        """The engine is not ours any more."""
        if self._watching:
            self._watching.cancel()
            self._watching = None


async def _watch(link: Link, is_awaited: Callable[[], bool]) -> None:
    while is_awaited():
        heard = link.heard
        await asyncio.sleep(SILENCE_SECONDS)
        if link.heard != heard or not is_awaited():
            continue
        link.send(messages.Count(_NOBODY, []))
        await asyncio.sleep(SILENCE_SECONDS)
        if link.heard == heard and is_awaited():
            log.error("the engine (process %d) hangs and is ended", link.pid)
            _kill(link.pid)
            await link.end()


def _kill(process_id: int) -> None:
    """Kill an engine; never a process of the same number, as the engine of another container may have."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(process_id)
        if "mellum_lsp.engine.child" in process.cmdline():
            process.kill()
