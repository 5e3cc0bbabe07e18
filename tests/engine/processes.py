"""Processes of engines and servers, as the system sees them."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from mellum_lsp.engine.llama import LlamaEngine

SERVER = """
import asyncio, sys
from pathlib import Path
from mellum_lsp.domain import Part
from mellum_lsp.engine import shared
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings, Lifetime

async def main(model, context_tokens, prompt):
    settings = EngineSettings(threads=1, context_tokens=int(context_tokens))
    engine = LlamaEngine(Path(model), settings, launch=shared.join_or_start, lifetime=Lifetime(0.0))
    await engine.start()
    generation = engine.generate(GenerateRequest((Part("prefix", "a.py", (prompt,)),), 1))
    await asyncio.sleep(0.1)
    print(engine.pid, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await engine.close()

asyncio.run(main(*sys.argv[1:]))
"""
"""A server in few words: joins or starts the shared engine, asks it, and waits for the end of its input."""


def engines_below(folder: Path) -> list[psutil.Process]:
    """The processes of engines that listen below ``folder``."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if "mellum_lsp.engine.child" in arguments and any(str(folder) in word for word in arguments):
            found.append(process)
    return found


async def gone(engine: LlamaEngine) -> None:
    """Wait until the engine has noticed that its process ended."""
    async with asyncio.timeout(10):
        while engine.pid:
            await asyncio.sleep(0.001)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[str]:
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True)
    return [line for line in found.stdout.splitlines() if "mellum_lsp.engine.child" in line]


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()
