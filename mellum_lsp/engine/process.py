"""An engine of our own: a child process that we start, speak to over pipes, and end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from mellum_lsp.engine.engine_log import EngineLog
from mellum_lsp.engine.interface import EngineCrashed
from mellum_lsp.engine.link import Link
from mellum_lsp.engine.messages import Hello
from mellum_lsp.engine.settings import EngineSettings

SPIN_COUNT = "500"
"""How long llama.cpp's OpenMP threads spin at each of some 500 barriers a token before they sleep.

The runtime's default is 300,000. That is fastest on an idle machine (135M model, two cores: 9.3 ms a token
against 10.1), but beside two busy processes, a build for instance, the threads wait for each other by burning
the very time that they lack: 530 ms a token on average, single tokens up to 3 s, against 27 ms. Beside four
processes, a token took 110 to 215 ms with 2,000 spins, 60 to 68 with 500, and half the processor time. What
sleeping costs after a pause, `stoker` takes care of.
"""
_SECONDS_TO_END = 1.0


class OwnEngine(Link):
    """A running child. It ends by itself when we do: its stdin is a pipe that only we hold open."""

    def __init__(self, process: asyncio.subprocess.Process, log: EngineLog) -> None:
        assert process.stdin and process.stdout
        super().__init__(process.stdout, process.stdin, log)
        self._process = process

    async def end(self) -> None:
        """Close the child's stdin and see that it ends, within about a second."""
        self._writer.close()
        try:
            await asyncio.wait_for(self._process.wait(), _SECONDS_TO_END)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def explain_end(self) -> str:
        """What became of a child whose stream has ended, in a sentence, with the place of its log."""
        await self.end()
        return self._log.explain(ended_unexpectedly(self._process.returncode))


async def start_own(model: Path, settings: EngineSettings, hello: Hello, log: EngineLog) -> OwnEngine:
    """Start an engine for ourselves that loads ``model``.

    Raises `OSError` where no process can be started, `EngineCrashed` where it ends before it says welcome.
    """
    with log.open() as file:
        process = await asyncio.create_subprocess_exec(
            *child_command(model, settings, log),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            cwd=model.parent,
            env=child_environment(),
        )
    engine = OwnEngine(process, log)
    try:
        if await engine.greet(hello):
            return engine
        raise EngineCrashed(await engine.explain_end())
    except BaseException:
        await engine.end()
        raise


def child_command(model: Path, settings: EngineSettings, log: EngineLog) -> list[str]:
    """The command line of an engine's process, see `child`."""
    return [
        sys.executable,
        "-P",  # never import from the working directory: it belongs to the user's project
        "-m",
        "mellum_lsp.engine.child",
        "--model",
        str(model),
        "--settings",
        msgspec.json.encode(settings).decode(),
        *(["--log", str(log.path)] if log.path else []),
    ]


def child_environment() -> dict[str, str]:
    return {"GOMP_SPINCOUNT": SPIN_COUNT, **os.environ}


def ended_unexpectedly(code: int | None) -> str:
    """What to say of an engine that ended with this exit code; None where nobody knows it."""
    if code is None:
        return "the engine's process ended unexpectedly"
    how = f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"
    return f"the engine's process ended unexpectedly ({how})"


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
