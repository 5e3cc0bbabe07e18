"""What a further editor on the same model costs: memory of every process, and the wait behind others' work.

    python tests/benchmarks/sharing.py models/nano-135m.gguf

Real servers over stdio open the same project one after the other; each completes a few lines. Memory is the
proportional set size (PSS), which counts a page that n processes share as 1/n in each of them, so that the
sum over all processes is what the machine holds; the resident sizes (RSS) are given beside it. Then two
servers meet at one engine: one evaluates long prompts in the background, and the other's interactive requests
are timed until the engine begins with them. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "protocol"))
from engine import PROMPT, milliseconds, prompt
from lsp_client import LspClient, isolated, over_stdio

from mellum_lsp.engine import shared
from mellum_lsp.engine.interface import GenerateRequest, Priority
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings, Lifetime

PROJECT = Path(__file__).parents[2] / "mellum_lsp" / "engine"
LINES = ("def add(a, b):\n    ", "squares = [n * n for ", "import os\n\nfolder = os.path.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--editors", type=int, default=3)
    parser.add_argument("--interruptions", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sharing-", dir="/tmp") as folder:
        home = Path(folder)
        os.environ |= isolated(home)
        report = {"model": arguments.model.stem}
        report |= asyncio.run(measure_memory(arguments.model.absolute(), home, arguments.editors))
        report |= asyncio.run(measure_interruptions(arguments.model.absolute(), arguments.interruptions))
    report["load_average"] = os.getloadavg()[0]
    print(json.dumps(report))


async def measure_memory(model: Path, home: Path, editors: int) -> dict[str, Any]:
    """Megabytes in all after each further editor, and of which processes."""
    rows = []
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(editors):
            client, _ = await stack.enter_async_context(over_stdio(home, "--model", str(model)))
            clients.append(client)
            await use(client)
            await asyncio.sleep(2)  # whatever goes on in the background comes to rest
            rows.append(memory())
            print(f"{number + 1} editors: {rows[-1]}")
        for client in clients:
            await client.end()
    further = [
        {kind: round(after["all"][kind] - before["all"][kind], 1) for kind in ("pss", "rss")}
        for before, after in pairwise(rows)
    ]
    print(f"each further editor: {further}")
    return {"memory_mb": rows, "further_editor_mb": further}


async def use(client: LspClient) -> None:
    """An editor that opens the project and asks for a few completions."""
    await client.initialize(workspaceFolders=[{"uri": PROJECT.as_uri(), "name": "engine"}])
    await client.until_ready()
    await client.until(lambda: client.received("mellum/status")[-1]["index"]["state"] == "ready")
    for number, line in enumerate(LINES):
        uri = (PROJECT / f"new_{number}.py").as_uri()
        await client.inline(uri, client.open(uri, f"{line}$0\n"), kind=1)


def memory() -> dict[str, dict[str, float]]:
    """Megabytes of the servers, their indexes' processes and the engine."""
    sums: dict[str, dict[str, float]] = {}
    for process in psutil.Process().children(recursive=True):
        words = process.cmdline()
        kind = (
            "engine"
            if "mellum_lsp.engine.child" in words
            else "servers"
            if "serve" in words
            else "indexes and the like"
        )
        info = process.memory_full_info()
        for name in (kind, "all"):
            entry = sums.setdefault(name, {"processes": 0, "pss": 0.0, "rss": 0.0})
            entry["processes"] += 1
            entry["pss"] = round(entry["pss"] + info.pss / 1e6, 1)
            entry["rss"] = round(entry["rss"] + info.rss / 1e6, 1)
    return sums


async def measure_interruptions(model: Path, count: int) -> dict[str, Any]:
    """From an interactive request's arrival at an engine that works in the background to its beginning, and
    on the other server's side from asking to the first token."""
    engines = [
        LlamaEngine(
            model, EngineSettings(context_tokens=4096), launch=shared.join_or_start, lifetime=Lifetime(0.0)
        )
        for _ in range(2)
    ]
    await asyncio.gather(*(engine.start() for engine in engines))
    background, interactive = engines
    assert background.pid == interactive.pid
    queued, first_token = [], []
    warm = prompt(PROMPT[:200])
    for attempt in range(count):
        evaluated = prompt(f"{attempt}\n{PROMPT}")  # differs from the beginning: nothing can be reused
        work = background.generate(GenerateRequest(evaluated, 0, document="b", priority=Priority.BACKGROUND))
        await asyncio.sleep(random.uniform(0.02, 0.2))
        assert not work.ended, "the prompt should take longer than that"
        began = time.perf_counter()
        answer = interactive.generate(GenerateRequest(warm, 1, document="i"))
        async for _ in answer:
            first_token.append(time.perf_counter() - began)
        queued.append(answer.stats.queued_ms / 1e3)
        async for _ in work:
            pass
    for engine in engines:
        await engine.close()
    result = {
        "interruptions": len(queued),
        "queued_behind_background_ms": milliseconds(queued),
        "first_token_ms": milliseconds(first_token),
    }
    print(f"interruptions: {result}")
    return result


if __name__ == "__main__":
    main()
