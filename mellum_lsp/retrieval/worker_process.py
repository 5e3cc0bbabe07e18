"""The parent's side of the index worker: started at the first request, ended with the parent or when idle."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from mellum_lsp.retrieval.messages import Reply, Request, read_reply, write_message

log = logging.getLogger(__name__)

_LONGEST_PATH_BYTES = 32_768


class WorkerProcess:
    """One run of the worker. Replies come on a thread of its own, then ``on_end`` once: whether it ended in
    peace, and else the path in hand, where there was one. Raises `OSError` where no process can be started.
    """

    def __init__(self, on_reply: Callable[[Reply], None], on_end: Callable[[bool, str | None], None]) -> None:
        self._on_reply = on_reply
        self._on_end = on_end
        self._sending = threading.Lock()
        self._progress, name = tempfile.mkstemp(prefix="mellum-index-")
        self._progress_file = Path(name)
        # -P: the folder that the server was started in is not to be searched for modules.
        command = [sys.executable, "-P", "-m", "mellum_lsp.retrieval.worker", name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._thread = threading.Thread(target=self._listen, name="index-replies", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: Request) -> bool:
        """Sends a request; False where the worker has ended."""
        stream = self._process.stdin
        try:
            with self._sending:
                write_message(cast(BinaryIO, stream), request)
        except (OSError, ValueError):
            return False
        return True

    def path_in_hand(self) -> str | None:
        """The absolute path that the worker is reading or cutting just now."""
        try:
            os.lseek(self._progress, 0, os.SEEK_SET)
            line = os.read(self._progress, _LONGEST_PATH_BYTES).partition(b"\n")[0]
        except OSError:
            return None
        return line.decode("utf-8", "surrogateescape") or None

    def end(self) -> None:
        """Ends the worker at once, whatever it does. ``on_end`` follows, unless we end before."""
        with contextlib.suppress(OSError):
            self._process.kill()
            self._progress_file.unlink(missing_ok=True)  # a worker that just started has not done it yet

    def _listen(self) -> None:
        stream = cast(BinaryIO, self._process.stdout)
        try:
            while True:
                self._on_reply(read_reply(stream))
        except EOFError:
            pass
        except Exception:
            log.exception("a reply of the index worker could not be used; another worker will be asked")
            self.end()
        code = self._process.wait()
        path = self.path_in_hand() if code != 0 else None
        with contextlib.suppress(OSError):
            self._progress_file.unlink(missing_ok=True)
        for pipe in (cast(BinaryIO, self._process.stdin), stream):
            with contextlib.suppress(OSError):
                pipe.close()
        progress, self._progress = self._progress, -1
        os.close(progress)
        self._on_end(code == 0, path)
