"""``python tests/benchmarks/index_tree.py FOLDER``: what indexing a real folder costs, as one line of JSON.

Measured are: from nothing to ready, what the server's event loop feels of it beside an idle process, memory,
queries at random carets, how long until a saved file is found, and how soon the index of a new session can
be queried.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mellum_lsp.domain import Caret
from mellum_lsp.retrieval.live import LiveIndex
from mellum_lsp.workspace.languages import language_of
from mellum_lsp.workspace.settings import IndexSettings

TICK_SECONDS = 0.001
QUERIES = 300
SAVES = 20
LONGEST_SECONDS = 600.0


def copy_installed_sources(target: Path, lines: int) -> int:
    """Copies Python's own library and installed packages, whole files, until there are so many lines."""
    copied = 0
    for name, source in _installed_sources():
        text = source.read_bytes()
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        copied += text.count(b"\n")
        if copied >= lines:
            break
    return copied


def _installed_sources() -> Iterator[tuple[str, Path]]:
    """Files with the names of their copies, alternately of the library and of packages."""
    for kind in ("stdlib", "purelib"):
        root = Path(sysconfig.get_path(kind))
        for path in sorted(root.rglob("*.py")):
            inside = path.relative_to(root)
            if path.is_file() and not path.is_symlink() and "site-packages" not in inside.parts:
                yield f"{kind}/{inside.as_posix()}", path


async def loop_delays(stop: asyncio.Event) -> list[float]:
    """How many milliseconds too late the event loop wakes, tick by tick, until ``stop``."""
    late = []
    while not stop.is_set():
        begun = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        late.append((time.perf_counter() - begun - TICK_SECONDS) * 1e3)
    return late


def idle_delays() -> None:
    """The control process: prints the delays of an idle loop when its standard input ends."""

    async def run() -> list[float]:
        stop = asyncio.Event()
        reading = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        reading.add_done_callback(lambda _: stop.set())
        return await loop_delays(stop)

    print(json.dumps(percentiles(asyncio.run(run()), 50, 99.9, 100)))


def percentiles(values: list[float], *which: float) -> list[float]:
    return [round(float(value), 2) for value in np.percentile(values, which)]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(folder: Path) -> dict[str, Any]:
    """All figures of a folder; times in seconds where nothing else is said, memory in megabytes."""
    index, figures = await _from_nothing(folder)
    carets = _carets(index, folder)
    figures |= _queries(index, carets)
    figures["saved file found, worst ms"] = await _saves(index, folder)
    await asyncio.to_thread(index.close)
    figures["queryable from cache, s"] = await _from_cache(folder, carets)
    return figures


async def _from_nothing(folder: Path) -> tuple[LiveIndex, dict[str, Any]]:
    control = subprocess.Popen(
        [sys.executable, __file__, "--idle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stop = asyncio.Event()
    ticking = asyncio.create_task(loop_delays(stop))
    cpu_before, begun = cpu_seconds(os.getpid()), time.perf_counter()
    index = LiveIndex([folder], IndexSettings())
    index.start()
    while not await asyncio.to_thread(index.wait_until_ready, 1.0):
        pass
    seconds = time.perf_counter() - begun
    stop.set()
    late = await ticking
    idle = json.loads((await asyncio.to_thread(control.communicate))[0])
    status = index.status()
    worker = index._supervisor.pid
    lines = await asyncio.to_thread(_lines_in, folder, index)
    return index, {
        "lines": lines,
        "files": status.files,
        "chunks": status.chunks,
        "text MB": round(status.bytes / 1e6, 1),
        "seconds": round(seconds, 2),
        "lines/s": round(lines / seconds),
        "CPU worker, s": round(cpu_seconds(worker), 1) if worker is not None else 0.0,
        "CPU server, s": round(cpu_seconds(os.getpid()) - cpu_before, 1),
        "memory of both, MB": round(index.resident_megabytes()),
        "loop p50/p99.9/worst, ms": percentiles(late, 50, 99.9, 100),
        "idle p50/p99.9/worst, ms": idle,
        "skipped": dict(sorted(status.skipped.items())),
    }


def _lines_in(folder: Path, index: LiveIndex) -> int:
    paths = {chunk.path for chunk in index.all_chunks()}
    return sum((folder / path).read_bytes().count(b"\n") for path in paths)


def _carets(index: LiveIndex, folder: Path) -> list[Caret]:
    """Random places in files that are indexed."""
    chunks, choose = index.all_chunks(), random.Random(5)
    carets = []
    for chunk in choose.choices(chunks, k=QUERIES):
        text = (folder / chunk.path).read_text("utf-8", "replace").replace("\r\n", "\n")
        offset = choose.randrange(len(text) + 1)
        carets.append(Caret(chunk.path, language_of(chunk.path), text, offset, root=str(folder)))
    return carets


def _queries(index: LiveIndex, carets: list[Caret]) -> dict[str, Any]:
    """Whole queries, ranking included; milliseconds."""
    times = []
    for caret in carets:
        begun = time.perf_counter()
        index.query(caret)
        times.append((time.perf_counter() - begun) * 1e3)
    return {"query p50/p99, ms": percentiles(times, 50, 99)}


async def _saves(index: LiveIndex, folder: Path) -> float:
    """The longest of some saves, from the end of writing until a query finds the new text; milliseconds."""
    path, worst = folder / "saved_by_the_benchmark.py", 0.0
    for number in range(SAVES):
        await asyncio.sleep(0.2)
        name = f"saved_by_number_{number}"
        caret = Caret("main.py", "python", f"{name}()\n", len(name), root=str(folder))
        path.write_text(f"def {name}():\n    return {number}\n")
        begun = time.perf_counter()
        while not any(name in found.chunk.text for found in index.query(caret)):
            await asyncio.sleep(0.0005)
        worst = max(worst, (time.perf_counter() - begun) * 1e3)
    path.unlink()
    return round(worst, 1)


async def _from_cache(folder: Path, carets: list[Caret]) -> float:
    """From the start of an index until a query has an answer, with all modules imported; seconds."""
    begun = time.perf_counter()
    index = LiveIndex([folder], IndexSettings())
    index.start()
    while not any(index.query(caret) for caret in carets[:10]):
        await asyncio.sleep(0.001)
    seconds = time.perf_counter() - begun
    await asyncio.to_thread(index.close)
    return round(seconds, 2)


def main() -> None:
    if sys.argv[1] == "--idle":
        return idle_delays()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        return print(json.dumps(asyncio.run(measure(Path(sys.argv[1]).resolve()))))


if __name__ == "__main__":
    main()
