"""The package's own client, beside servers of these tests: in a process (`over_stdio`) or at an address."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mellum_lsp.conformance.client import (
    CURSOR,
    PATIENCE_SECONDS,
    LspClient,
    ProtocolError,
    ServerError,
    at,
    caret_position,
)
from mellum_lsp.conformance.processes import own_server, read_messages, server_process
from mellum_lsp.lsp.framing import frame

__all__ = [
    "CURSOR",
    "PATIENCE_SECONDS",
    "LspClient",
    "ProtocolError",
    "ServerError",
    "at",
    "caret_position",
    "eventually",
    "isolated",
    "listening",
    "over_stdio",
    "over_tcp",
    "over_websocket",
    "session",
]

SERVE = ("-m", "mellum_lsp", "serve")


async def eventually(condition: Callable[[], Any]) -> None:
    """Wait until something that the server does by itself makes ``condition`` true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.002)


def isolated(folder: Path) -> dict[str, str]:
    """An environment in which a server finds and leaves nothing but what is below ``folder``."""
    names = ("RUNTIME", "CACHE", "STATE", "DATA", "CONFIG")
    places = {
        f"XDG_{name}_{'DIR' if name == 'RUNTIME' else 'HOME'}": str(folder / name.lower()) for name in names
    }
    for place in places.values():
        Path(place).mkdir(parents=True, exist_ok=True, mode=0o700)
    return {**os.environ, **places, "MELLUM_LSP_MODEL": ""}


@asynccontextmanager
async def over_stdio(
    folder: Path, *arguments: str
) -> AsyncIterator[tuple[LspClient, asyncio.subprocess.Process]]:
    """A server process and a client that speaks to it; ends the process afterwards."""
    with (folder / "stderr.txt").open("wb") as stderr:
        async with server_process(own_server(*arguments), environment=isolated(folder), stderr=stderr) as (
            client,
            process,
        ):
            client.options = {"engine": {"idleSeconds": 0}}  # no engine is left behind
            yield client, process
            client.assert_all_answered_once()


@asynccontextmanager
async def session(
    folder: Path, *arguments: str, **params: Any
) -> AsyncIterator[tuple[LspClient, asyncio.subprocess.Process]]:
    """A session `over_stdio`, begun with ``params``; if its server lives on, it ends in good order."""
    async with over_stdio(folder, *arguments) as (client, process):
        await client.initialize(**params)
        await client.until_ready()
        yield client, process
        if process.returncode is None:
            await client.end()
            assert await asyncio.wait_for(process.wait(), PATIENCE_SECONDS) == 0


@asynccontextmanager
async def listening(
    folder: Path, option: str, *arguments: str
) -> AsyncIterator[tuple[str, int, asyncio.subprocess.Process]]:
    """A server process that listens at a free port; its host, port and process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *SERVE,
        option,
        "127.0.0.1:0",
        *arguments,
        stderr=asyncio.subprocess.PIPE,
        env=isolated(folder),
    )
    assert process.stderr
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b"listening on " not in (line := await process.stderr.readline()):
                assert line, "the server ended"
        host, _, port = line.decode().rsplit(" ", 1)[1].strip().rpartition(":")
        draining = asyncio.ensure_future(process.stderr.read())
        yield host, int(port), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    await draining


@asynccontextmanager
async def over_tcp(host: str, port: int) -> AsyncIterator[LspClient]:
    reader, writer = await asyncio.open_connection(host, port)
    client = LspClient(lambda body: writer.write(frame(body)))
    reading = asyncio.ensure_future(read_messages(reader, client))
    try:
        yield client
        client.assert_all_answered_once()
    finally:
        writer.close()
        reading.cancel()


@asynccontextmanager
async def over_websocket(host: str, port: int, **options: Any) -> AsyncIterator[LspClient]:
    from websockets.asyncio.client import connect

    async with connect(f"ws://{host}:{port}", **options) as socket:
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        client = LspClient(outgoing.put_nowait)

        async def send() -> None:
            while True:
                await socket.send((await outgoing.get()).decode())

        async def receive() -> None:
            async for message in socket:
                assert isinstance(message, str), "editors in browsers expect text frames"
                client.receive(message)

        tasks = [asyncio.ensure_future(send()), asyncio.ensure_future(receive())]
        try:
            yield client
            client.assert_all_answered_once()
        finally:
            for task in tasks:
                task.cancel()
