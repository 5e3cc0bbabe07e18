"""The file that engines write to: appended to by all of them, moved aside when large, read after a crash."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path
from typing import IO

LARGEST_BYTES = 2_000_000
_TELLING = re.compile(r"Fatal Python error|GGML_ASSERT|GGML_ABORT|terminate called|out of memory")
"""Native code's last words. Python's are left out: they may quote what was being looked at."""
_READ_BYTES = 65_536


class LoggedError(io.TextIOBase):
    """An engine's standard error, unbuffered. What cannot be written, the disk being full, is let go: an
    engine works without a log."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            os.write(2, text.encode(errors="replace"))
        return len(text)

    def fileno(self) -> int:
        return 2


class EngineLog:
    """``path`` None discards everything. The object remembers how far the log had come when it was made."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._beginning = self._size()

    def open(self) -> IO[bytes]:
        """The file to append to. Where it cannot be written there is no log: an engine works without."""
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._move_aside_if_large()
                return self.path.open("ab")
            except OSError:
                self.path = None
        return Path(os.devnull).open("wb")

    def rotate(self, *descriptors: int) -> None:
        """Where the file that is open as these is large, or was moved aside by another engine, go on with a
        new one."""
        if self.path is None:
            return
        with contextlib.suppress(OSError):
            written = os.fstat(descriptors[0])
            is_ours = self.path.exists() and os.path.samestat(written, self.path.stat())
            if is_ours and written.st_size <= LARGEST_BYTES:
                return
            with self.open() as file:
                for descriptor in descriptors:
                    os.dup2(file.fileno(), descriptor)

    def explain(self, what: str) -> str:
        """``what``, where to read more, and the first telling line that was written since we were made."""
        if self.path is None:
            return f"{what}; it kept no log"
        said = self._telling_line()
        return f"{what}{f': {said}' if said else ''}; its log is {self.path}"

    def _telling_line(self) -> str:
        if self.path is None or self._size() <= self._beginning:
            return ""
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            file.seek(max(self._beginning, self._size() - _READ_BYTES))
            for line in file.read().decode(errors="replace").splitlines():
                if _TELLING.search(line):
                    return line.strip()[:200]
        return ""

    def _size(self) -> int:
        try:
            return self.path.stat().st_size if self.path else 0
        except OSError:
            return 0

    def _move_aside_if_large(self) -> None:
        if self.path and self._size() > LARGEST_BYTES:
            with contextlib.suppress(OSError):
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self._beginning = 0
