"""A llama-server of one's own, with the options that llama.vim's documentation gives."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2

_START_SECONDS = 60.0
_OPTIONS = ("-c", 8192, "-np", 1, "-b", 1024, "-ub", 1024, "--cache-reuse", 256, "--offline")


@asynccontextmanager
async def llama_server(
    program: Path, model: Path, threads: int, log: Path
) -> AsyncIterator[tuple[httpx2.AsyncClient, int]]:
    """A client of the server once its model is loaded, and the server's process id.

    How long idle threads spin (``GOMP_SPINCOUNT``) may be tried out for ours; the peer keeps its own way.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = ("--host", "127.0.0.1", "--port", port)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(program),
            *map(str, ("--model", model, *address, "-t", threads, *_OPTIONS)),
            stdout=output,
            stderr=output,
            env={name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"},
        )
        try:
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60.0) as client:
                await _healthy(client, log)
                yield client, process.pid
        finally:
            process.terminate()
            await process.wait()


async def _healthy(client: httpx2.AsyncClient, log: Path) -> None:
    """Until the model is loaded and has answered once. Raises `SystemExit`."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx2.HTTPError):
            if (await client.get("/health")).status_code == 200:
                await client.post("/completion", json={"prompt": "x = ", "n_predict": 4})
                return
        await asyncio.sleep(0.1)
    raise SystemExit(f"error: llama-server did not start\nhint: its log is {log}")
