"""The engine that all servers of a user share: joined where it runs, started where it does not.

Whoever finds nobody at the engine's place starts one. Where several do so at once, the place's lock decides:
the first engine listens there, the others end before they have loaded anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from mellum_lsp.engine.child import LISTENING, TAKEN
from mellum_lsp.engine.endpoint import connect
from mellum_lsp.engine.engine_log import EngineLog
from mellum_lsp.engine.interface import EngineCrashed, EngineError
from mellum_lsp.engine.link import Link
from mellum_lsp.engine.messages import Hello
from mellum_lsp.engine.process import child_command, child_environment, ended_unexpectedly
from mellum_lsp.engine.rendezvous import Place, place_for
from mellum_lsp.engine.settings import EngineSettings

_PATIENCE_SECONDS = 30.0
"""With an engine that listens or is about to. It does so before it loads its model, which may take long."""
_RETRY_SECONDS = 0.02
_EXIT_SECONDS = 1.0


class SharedEngine(Link):
    """A connection to an engine that others may use too; ``started`` if it was us who started it."""

    started: StartedProcess | None = None

    async def explain_end(self) -> str:
        await self.end()
        code = await self.started.exit_code() if self.started else None
        return self._log.explain(ended_unexpectedly(code))


async def join(model: Path, settings: EngineSettings, hello: Hello, log: EngineLog) -> SharedEngine | None:
    """The engine that serves ``model`` so, None where none runs.

    Raises `OSError` where no folder is private, `EngineError` where whoever is there does not answer.
    """
    return await _join_at(place_for(model, settings), hello, log)


async def join_or_start(model: Path, settings: EngineSettings, hello: Hello, log: EngineLog) -> SharedEngine:
    """The engine that serves ``model`` so, started where none runs.

    Raises as `join`, and `EngineCrashed` where the engine ends before it listens.
    """
    place = place_for(model, settings)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                if engine := await _join_at(place, hello, log):
                    return engine
                if engine := await _start_at(place, model, settings, hello, log):
                    return engine
                await asyncio.sleep(_RETRY_SECONDS)  # another one is being started, or is just ending
    except TimeoutError:
        raise EngineError(
            f"an engine holds {place.lock} but does not answer\n"
            'hint: end its process, or set "engine.mode" to "own"'
        ) from None


async def _join_at(place: Place, hello: Hello, log: EngineLog) -> SharedEngine | None:
    try:
        reader, writer, secret = await connect(place.address)
    except OSError:
        return None
    engine = SharedEngine(reader, writer, log)
    welcome = False
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            welcome = await engine.greet(msgspec.structs.replace(hello, secret=secret))
    except TimeoutError:
        raise EngineError(
            f"the engine at {place.address} does not answer\n"
            'hint: end its process, or set "engine.mode" to "own"'
        ) from None
    finally:
        if not welcome:
            await engine.end()
    return engine if welcome else None


async def _start_at(
    place: Place, model: Path, settings: EngineSettings, hello: Hello, log: EngineLog
) -> SharedEngine | None:
    """An engine that we started; None where another one has the place, or this one was not needed long."""
    process = StartedProcess(place, model, settings, log)
    said = await process.said
    if said == TAKEN:
        return None
    if said == LISTENING and (engine := await _join_at(place, hello, log)):
        if engine.pid == process.pid:
            engine.started = process
        return engine
    if code := await process.exit_code():
        raise EngineCrashed(log.explain(ended_unexpectedly(code)))
    return None


class StartedProcess:
    """An engine's process that outlives us. A thread hears what it says, and how it ends if we see that."""

    def __init__(self, place: Place, model: Path, settings: EngineSettings, log: EngineLog) -> None:
        """Raises `OSError` where no process can be started."""
        with log.open() as file:
            self._process = subprocess.Popen(
                [*child_command(model, settings, log), "--address", str(place.address)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                cwd=model.parent,
                env=child_environment(),
                start_new_session=True,  # not interrupted by our terminal, nor ended with it
            )
        self._loop = asyncio.get_running_loop()
        self.said: asyncio.Future[str] = self._loop.create_future()
        """One of the words of `child`, empty where it ended without."""
        self._ended = asyncio.Event()
        threading.Thread(target=self._attend, name="engine's starter", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def exit_code(self) -> int | None:
        """The exit code of a process that is ending; None where it does not end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), _EXIT_SECONDS)
        return self._process.returncode

    def _attend(self) -> None:
        assert self._process.stdout
        with self._process.stdout as stdout:
            said = stdout.readline().decode(errors="replace").strip()
        self._tell(self._note, said)
        self._process.wait()
        self._tell(self._ended.set)

    def _note(self, said: str) -> None:
        if not self.said.done():  # nor cancelled
            self.said.set_result(said)

    def _tell(self, what: Callable[..., None], *arguments: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens
            self._loop.call_soon_threadsafe(what, *arguments)
