"""``python tests/benchmarks/index.py [--sizes 1000,10000] [--folder DIR]``: time and memory of the index.

Prints a table of queries over synthetic chunks (Zipf exponent 1 over 200,000 tokens, 60 draws a chunk, 150 a
query), each size in a process of its own; with a folder also what indexing it costs, from nothing and from
the cache, and what the server's event loop feels of it, beside an idle process. Ends with a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from mellum_lsp.retrieval.iou import IouIndex
from mellum_lsp.retrieval.memory import resident_megabytes
from mellum_lsp.retrieval.postings import segment_of_sets

VOCABULARY = 200_000
DRAWS_A_CHUNK = 60
DRAWS_A_QUERY = 150
QUERIES = 300
BATCH_CHUNKS = 2000
TICK_SECONDS = 0.001


def synthetic(chunks: int) -> dict[str, float]:
    """Builds an index of so many chunks and queries it; times in milliseconds, memory in megabytes.

    ``p99_cpu_ms`` leaves out waiting for the processor, on a machine that does other things as well."""
    random = np.random.default_rng(7)
    weights = 1 / np.arange(1, VOCABULARY + 1)
    cumulated = np.cumsum(weights / weights.sum())
    names = random.permutation(VOCABULARY).astype(np.uint32) * np.uint32(20_011)

    def draw(count: int) -> Any:
        return names[np.minimum(np.searchsorted(cumulated, random.random(count)), VOCABULARY - 1)]

    index, seconds, slowest = IouIndex(), 0.0, 0.0
    for start in range(0, chunks, BATCH_CHUNKS):
        sets = [np.unique(draw(DRAWS_A_CHUNK)) for _ in range(min(BATCH_CHUNKS, chunks - start))]
        begun = time.perf_counter()
        index.append(segment_of_sets(sets), [len(one) for one in sets])
        took = time.perf_counter() - begun
        seconds, slowest = seconds + took, max(slowest, took)
    times, cpu_times = [], []
    for _ in range(QUERIES):
        query = np.unique(draw(DRAWS_A_QUERY))
        begun, cpu_begun = time.perf_counter(), time.thread_time()
        index.top(query, 24)
        times.append((time.perf_counter() - begun) * 1e3)
        cpu_times.append((time.thread_time() - cpu_begun) * 1e3)
    return {
        "chunks": chunks,
        "p50_ms": round(float(np.percentile(times, 50)), 2),
        "p99_ms": round(float(np.percentile(times, 99)), 2),
        "p99_cpu_ms": round(float(np.percentile(cpu_times, 99)), 2),
        "build_s": round(seconds, 2),
        "slowest_append_ms": round(slowest * 1e3, 1),
        "index_mb": round(index.nbytes / 1e6, 1),
        "rss_mb": round(resident_megabytes(), 1),
    }


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

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().run_in_executor(None, sys.stdin.read).add_done_callback(
            lambda _: stop.set()
        )
        print(json.dumps(summary(await loop_delays(stop))))

    asyncio.run(run())


def summary(late: list[float]) -> dict[str, float]:
    return {
        "p50_ms": round(float(np.percentile(late, 50)), 2),
        "p99.9_ms": round(float(np.percentile(late, 99.9)), 2),
        "worst_ms": round(max(late), 2),
    }


async def index_folder(folder: Path) -> dict[str, Any]:
    """Indexes a folder while an event loop ticks, here and in an idle process beside us."""
    from mellum_lsp.retrieval.live import LiveIndex
    from mellum_lsp.workspace.settings import IndexSettings

    control = subprocess.Popen(
        [sys.executable, __file__, "--idle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stop = asyncio.Event()
    ticking = asyncio.create_task(loop_delays(stop))
    begun = time.perf_counter()
    index = LiveIndex([folder], IndexSettings())
    index.start()
    while not await asyncio.to_thread(index.wait_until_ready, 1.0):
        pass
    seconds = time.perf_counter() - begun
    stop.set()
    late = await ticking
    idle = json.loads((await asyncio.to_thread(control.communicate))[0])
    status = index.status()
    lines = sum(chunk.text.count("\n") + 1 for chunk in index.all_chunks())
    saved = folder / "mellum_benchmark.py"
    latency = None
    if status.polling == "":
        begun = time.perf_counter()
        saved.write_text("def saved_by_the_benchmark():\n    return 1\n")
        while index.status().files == status.files:
            await asyncio.sleep(0.001)
        latency = round((time.perf_counter() - begun) * 1e3, 1)
        saved.unlink()
    result = {
        "folder_files": status.files,
        "folder_chunks": status.chunks,
        "folder_lines": lines,
        "folder_bytes": status.bytes,
        "seconds": round(seconds, 2),
        "lines_per_second": round(lines / seconds),
        "rss_mb": round(index.resident_megabytes(), 1),
        "loop": summary(late),
        "idle_loop": idle,
        "saved_file_searchable_ms": latency,
    }
    await asyncio.to_thread(index.close)
    begun = time.perf_counter()
    again = LiveIndex([folder], IndexSettings())
    again.start()
    while not again.status().files:
        await asyncio.sleep(0.001)
    result["from_cache_queryable_s"] = round(time.perf_counter() - begun, 3)
    await asyncio.to_thread(again.close)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of chunks, comma-separated")
    parser.add_argument("--folder", type=Path, help="a project to index as well")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--idle", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.idle:
        return idle_delays()
    if options.one:
        return print(json.dumps(synthetic(options.one)))
    table = []
    for size in [int(size) for size in options.sizes.split(",") if size]:
        command = [sys.executable, __file__, "--one", str(size)]
        table.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        if len(table) == 1:
            print("  ".join(f"{name:>17}" for name in table[0]))
        print("  ".join(f"{value:>17}" for value in table[-1].values()), flush=True)
    result: dict[str, Any] = {"queries": table}
    if options.folder:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["XDG_CACHE_HOME"] = cache
            result["folder"] = asyncio.run(index_folder(options.folder.resolve()))
        for name, value in result["folder"].items():
            print(f"{name:25} {value}")
    print(json.dumps(result))
    return None


if __name__ == "__main__":
    main()
