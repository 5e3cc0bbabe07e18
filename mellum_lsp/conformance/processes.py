"""Starts a server as an editor does: a process that speaks over its standard input and output."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import IO, Any

from mellum_lsp.conformance.client import LspClient
from mellum_lsp.lsp.framing import Framing, StreamError, frame

READ_BYTES = 64 * 1024


@asynccontextmanager
async def server_process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> AsyncIterator[tuple[LspClient, asyncio.subprocess.Process]]:
    """A process that runs ``command`` and a client that speaks to it; the process is ended afterwards.

    Raises `OSError` where it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env=environment,
    )
    assert process.stdin and process.stdout
    client = LspClient(_Sender(process.stdin).send)
    reading = asyncio.ensure_future(read_messages(process.stdout, client))
    try:
        yield client, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


class _Sender:
    """Sends what is said within one turn of the loop in one piece, so that the server hears it at once."""

    def __init__(self, stdin: asyncio.StreamWriter) -> None:
        self._stdin = stdin
        self._waiting: list[bytes] = []

    def send(self, body: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(frame(body))

    def _flush(self) -> None:
        data, self._waiting = b"".join(self._waiting), []
        self._stdin.write(data)


async def read_messages(reader: asyncio.StreamReader, client: LspClient) -> None:
    """Hand ``client`` what comes over ``reader`` until its end."""
    framing = Framing()
    try:
        while data := await reader.read(READ_BYTES):
            for body in framing.feed(data):
                client.receive(body)
    except (OSError, StreamError) as error:
        client.violations.append(f"the server's output cannot be read: {error}")
    client.lost()


def own_server(*arguments: Any) -> list[str]:
    """The command of this installation's own server."""
    return [sys.executable, "-m", "mellum_lsp", "serve", *map(str, arguments)]
