"""The engine's process as its server sees it: started, spoken to, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import msgspec

from mellum_lsp.engine import messages
from mellum_lsp.engine.settings import EngineSettings

SPIN_COUNT = "500"
"""How long llama.cpp's OpenMP threads spin at each of some 500 barriers a token before they sleep.

The runtime's default is 300,000. That is fastest on an idle machine (135M model, two cores: 9.3 ms a token
against 10.1), but beside two busy processes, a build for instance, the threads wait for each other by
burning the very time that they lack: 530 ms a token on average, single tokens up to 3 s, against 27 ms.
"""
_LARGEST_LOG_BYTES = 2_000_000
_SECONDS_TO_END = 1.0


class EngineProcess:
    """A running child. It ends by itself when we do: its stdin is a pipe that only we hold open."""

    def __init__(self, process: asyncio.subprocess.Process, log_file: Path | None):
        assert process.stdin and process.stdout
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._log_file = log_file

    @classmethod
    async def start(cls, model: Path, settings: EngineSettings, log_file: Path | None) -> EngineProcess:
        """Start a child that loads ``model``. Raises `OSError` where no process can be started."""
        with _open_log(log_file) as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # never import from the working directory: it belongs to the user's project
                "-m",
                "mellum_lsp.engine.child",
                "--model",
                str(model),
                "--settings",
                msgspec.json.encode(settings).decode(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=model.parent,
                env={"GOMP_SPINCOUNT": SPIN_COUNT, **os.environ},
            )
        return cls(process, log_file)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: messages.ToEngine) -> None:
        """Send without waiting. A child that has ended is noticed by `receive`."""
        if not self._stdin.is_closing():
            self._stdin.write(messages.frame(message))

    async def receive(self) -> messages.FromEngine | None:
        """The next message, None once the child has ended."""
        try:
            prefix = await self._stdout.readexactly(messages.LENGTH.size)
            body = await self._stdout.readexactly(messages.body_length(prefix))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return messages.decode_from_engine(body)

    async def end(self) -> None:
        """Close the child's stdin and see that it ends, within about a second."""
        self._stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _SECONDS_TO_END)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def explain_end(self) -> str:
        """What became of a child whose stream has ended, in a sentence, with the place of its log."""
        await self.end()
        code = self._process.returncode or 0
        how = f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        where = f"its log is {self._log_file}" if self._log_file else "it kept no log"
        return f"the engine's process ended unexpectedly ({how}); {where}"


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _open_log(log_file: Path | None) -> IO[bytes]:
    """The log to append to; a large one is first moved to ``NAME.1``."""
    if log_file is None:
        return Path(os.devnull).open("wb")
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        if log_file.stat().st_size > _LARGEST_LOG_BYTES:
            log_file.replace(log_file.with_name(log_file.name + ".1"))
    return log_file.open("ab")
