"""Whether the editor that started a server still lives.

Its death closes the server's input, and that is heard at once. But a pipe stays open as long as anybody holds
its other end, a wrapper or another child of the editor, say: the protocol therefore names a process, without
which the server is of no use.
"""

from __future__ import annotations

import asyncio

import psutil

PAUSE_SECONDS = 5.0


async def until_gone(process_id: int) -> bool:
    """Wait for the end of a process and return True; False at once where none of that number is seen.

    An editor outside of the server's container names a process that is unknown inside: that says nothing.
    """
    try:
        process = psutil.Process(process_id)
    except (psutil.Error, OverflowError, ValueError):
        return False
    while _lives(process):
        await asyncio.sleep(PAUSE_SECONDS)
    return True


def _lives(process: psutil.Process) -> bool:
    """Also false where another process has taken over the number."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
