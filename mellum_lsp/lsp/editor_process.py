"""Whether the editor that started a server still lives.

Its death closes the server's input, and that is heard at once. But a pipe stays open as long as anybody holds
its other end, a wrapper or another child of the editor, say: the protocol therefore names a process, without
which the server is of no use.
"""

from __future__ import annotations

import asyncio

import psutil

PAUSE_SECONDS = 5.0


def find(process_id: int | None) -> psutil.Process | None:
    """The living process of that number.

    There may be none: an editor outside of the server's container names one that is unknown inside.
    """
    try:
        return psutil.Process(process_id) if process_id is not None else None
    except (psutil.Error, OverflowError, ValueError):
        return None


async def until_gone(process: psutil.Process) -> None:
    """Wait for the end of a process."""
    while _lives(process):
        await asyncio.sleep(PAUSE_SECONDS)


def _lives(process: psutil.Process) -> bool:
    """Also false where another process has taken over the number."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
