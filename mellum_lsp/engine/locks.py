"""A lock that the operating system gives back when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _try_to_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_to_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """The sole right to a place, for as long as the file at ``path`` is locked."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path) -> FileLock | None:
        """The lock, None where another process has it. Raises `OSError` where the file cannot be made."""
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _try_to_lock(descriptor)
            except OSError as error:
                os.close(descriptor)
                if isinstance(error, (BlockingIOError, PermissionError)):  # the latter on Windows
                    return None
                raise
            # Its holder removes the file: what was locked may be the one that another has just let go of.
            if _is_the_file_at(path, descriptor):
                return cls(path, descriptor)
            os.close(descriptor)

    def release(self) -> None:
        """Remove the file and give the right back."""
        with contextlib.suppress(OSError):  # Windows removes no file that is open
            if _is_the_file_at(self._path, self._descriptor):
                self._path.unlink()
        os.close(self._descriptor)


def _is_the_file_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
