"""The byte that stops native code: set by any thread, read by llama.cpp between the nodes of its graph.

llama.cpp asks a callback some 500 times a token whether to go on. A Python callback would take the
interpreter's lock each time: unnoticed while nothing else runs, but beside one busy Python thread a token
then took 27.6 ms instead of 20.8 (135M model, two cores; `tests/benchmarks/engine.py` measures it here). So
the callback is a native function that was there anyway: ``strlen`` of a two-byte buffer is 0 (go on) while
its first byte is 0, and 1 (stop) once it is not.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import llama_cpp


class AbortFlag:
    """Set and cleared from Python, read by native code without Python. Setting it is atomic."""

    def __init__(self) -> None:
        self._bytes = ctypes.create_string_buffer(2)  # the second byte stays 0 and ends the string
        library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        self._callback = ctypes.cast(library.strlen, llama_cpp.ggml_abort_callback)

    def set(self) -> None:
        self._bytes[0] = b"\x01"

    def clear(self) -> None:
        self._bytes[0] = b"\x00"

    @property
    def is_set(self) -> bool:
        return self._bytes[0] != b"\x00"

    def watch(self, native_context: Any) -> None:
        """Let ``llama_decode`` on this context return 2 soon after the flag is set. Keep the flag alive as
        long."""
        llama_cpp.llama_set_abort_callback(
            native_context, self._callback, ctypes.cast(self._bytes, ctypes.c_void_p)
        )
