"""KV states on disk: what an engine had evaluated, for the one that is started next.

They are derived from source text, so they are for the user alone (mode 0600) and lie in the cache folder. A
file is a line of JSON, the tokens and the state. It counts only for the model, build and kind of cache that
its name was made from, and only if its checksum is right; anything else is removed.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mellum_lsp.engine.private_files import write_private
from mellum_lsp.engine.vocabulary import Tokens

CAPACITY_BYTES = 1_000_000_000
"""Of all files, of whatever model. The oldest are removed."""
_FREE_SHARE, _FREE_BYTES = 0.05, 2_000_000_000
"""Of the disk, which stay free: on a full one nothing is written."""
_LONGEST_HEADER = 4096
_OLD_SECONDS = 14 * 86400.0
_SUFFIX = ".kv"

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class KnownState:
    """A state that lies on disk; ``size`` is that of the state alone."""

    path: Path
    tokens: Tokens
    size: int


class StateFiles:
    """The states of one model and kind of cache, in ``folder``; ``name`` tells them from those of others."""

    def __init__(self, folder: Path, name: str, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._folder = folder
        self._name = name
        self._capacity = capacity_bytes
        self._jobs: queue.Queue[tuple[Tokens, Bytes] | None] = queue.Queue()
        self._writer: threading.Thread | None = None

    def known(self) -> list[KnownState]:
        """All states of this model, the newest first; damaged files are removed."""
        found = []
        for path in sorted(self._files(f"{self._name}-*"), key=_age):
            if state := self._read_header(path):
                found.append(state)
        return found

    def read(self, path: Path, tokens: Tokens) -> Bytes | None:
        """The state in ``path``; None, and the file is removed, where it is not that of ``tokens``."""
        try:
            with path.open("rb") as file:
                header = json.loads(file.readline(_LONGEST_HEADER))
                found = np.frombuffer(file.read(4 * int(header["tokens"])), np.int32)
                data = np.fromfile(file, np.uint8)
            intact = (
                np.array_equal(found, tokens)
                and len(data) == header["bytes"]
                and _checksum(found, data) == header["checksum"]
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            intact = False
        if not intact:
            self.remove(path)
            return None
        with contextlib.suppress(OSError):
            path.touch()  # used: among the last to give way
        return data

    def write(self, tokens: Tokens, data: Bytes) -> None:
        """Write a state in another thread, in place of those that it holds as well. Where that is impossible
        the log says so, and nothing else happens."""
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, name="state writer", daemon=True)
            self._writer.start()
        self._jobs.put((tokens, data))

    def finish(self, seconds: float) -> None:
        """Wait until all is written, but not longer than this."""
        if self._writer:
            self._jobs.put(None)
            self._writer.join(seconds)
            self._writer = None

    def remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def _write_all(self) -> None:
        while job := self._jobs.get():
            try:
                self._write(*job)
            except OSError as error:
                print(f"a KV state could not be kept: {error}", file=sys.stderr, flush=True)

    def _write(self, tokens: Tokens, data: Bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(data) > self._capacity or not self._has_room(len(data)):
            return
        header = {"tokens": len(tokens), "bytes": len(data), "checksum": _checksum(tokens, data)}
        path = self._folder / f"{self._name}-{zlib.crc32(tokens.tobytes()):08x}{_SUFFIX}"
        for state in self.known():
            if len(state.tokens) <= len(tokens) and np.array_equal(tokens[: len(state.tokens)], state.tokens):
                self.remove(state.path)
        write_private(path, json.dumps(header).encode() + b"\n", tokens.tobytes(), data.data)
        self._make_room(path)

    def _has_room(self, size: int) -> bool:
        disk = shutil.disk_usage(self._folder)
        return disk.free - size > max(_FREE_BYTES, _FREE_SHARE * disk.total)

    def _make_room(self, newest: Path) -> None:
        """Remove what is old or too much, of whatever model."""
        total, now = 0, time.time()
        for path in sorted(self._files("*"), key=_age):
            with contextlib.suppress(OSError):
                found = path.stat()
                total += found.st_size
                if path != newest and (total > self._capacity or now - found.st_mtime > _OLD_SECONDS):
                    self.remove(path)
                    total -= found.st_size

    def _files(self, pattern: str) -> Iterator[Path]:
        return self._folder.glob(pattern + _SUFFIX)

    def _read_header(self, path: Path) -> KnownState | None:
        try:
            with path.open("rb") as file:
                line = file.readline(_LONGEST_HEADER)
                header = json.loads(line)
                tokens = np.frombuffer(file.read(4 * int(header["tokens"])), np.int32)
                size = int(header["bytes"])
            if len(tokens) and path.stat().st_size == len(line) + tokens.nbytes + size:
                return KnownState(path, tokens, size)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        self.remove(path)
        return None


def _age(path: Path) -> float:
    """Seconds before now, in an order that a file which has just gone does not disturb."""
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def _checksum(tokens: Tokens, data: Bytes) -> int:
    return zlib.crc32(data.data, zlib.crc32(tokens.tobytes()))
