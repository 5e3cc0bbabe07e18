"""What llama.cpp prints: passed on to stderr, the last errors kept: they alone say why a load failed."""

from __future__ import annotations

import ctypes
import sys
from collections import deque

import llama_cpp

_ROUTINE_LINES = ("removing memory module entries", "failed to decode, ret = 2")
"""What llama.cpp warns of at every abort, which for us is the most ordinary thing."""
_DEBUG, _ERROR, _CONTINUATION = 1, 4, 5  # ggml_log_level


class NativeLog:
    """Passes llama.cpp's log on to stderr and keeps the last errors, which say why a load failed."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=8)
        self._level = _DEBUG
        self._callback = llama_cpp.llama_log_callback(self._write)
        llama_cpp.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _write(self, level: int, text: bytes, _data: object) -> None:
        if level != _CONTINUATION:
            self._level = level
        line = text.decode(errors="replace")
        if self._level == _DEBUG or any(routine in line for routine in _ROUTINE_LINES):
            return
        if self._level == _ERROR and line.strip():
            self.errors.append(line.strip())
        sys.stderr.write(line)


native_log = NativeLog()  # llama.cpp holds a pointer to it for as long as the process lives
