"""``python tests/benchmarks/index.py [--folder DIR]``: how time and memory of the index grow.

Two tables: queries over synthetic chunks (Zipf exponent 1 over 200,000 tokens, 60 draws a chunk, 150 a
query), and real folders, by default copies of Python's library and of the installed packages. Each column is
measured in a process of its own, one after the other. Ends with a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from index_tree import copy_installed_sources
from rich.console import Console
from rich.table import Table

from mellum_lsp.retrieval.iou import IouIndex
from mellum_lsp.retrieval.memory import resident_megabytes
from mellum_lsp.retrieval.postings import segment_of_pairs

SIZES = [1_000, 10_000, 100_000, 1_000_000]
VOCABULARY = 200_000
DRAWS_A_CHUNK = 60
DRAWS_A_QUERY = 150
QUERIES = 500
BATCH_CHUNKS = 2000


def synthetic(chunks: int) -> dict[str, Any]:
    """Builds an index of so many chunks and queries it; times in milliseconds, memory in megabytes.

    The CPU times leave out waiting for the processor, on a machine that does other things as well."""
    random = np.random.default_rng(7)
    weights = 1 / np.arange(1, VOCABULARY + 1)
    cumulated = np.cumsum(weights / weights.sum())
    names = random.permutation(VOCABULARY).astype(np.uint32) * np.uint32(20_011)

    def draw(count: int) -> Any:
        return names[np.minimum(np.searchsorted(cumulated, random.random(count)), VOCABULARY - 1)]

    before = resident_megabytes()
    index, seconds, slowest = IouIndex(), 0.0, 0.0
    for start in range(0, chunks, BATCH_CHUNKS):
        size = min(BATCH_CHUNKS, chunks - start)
        terms, owners = draw(DRAWS_A_CHUNK * size), np.repeat(np.arange(size, dtype=np.uint32), DRAWS_A_CHUNK)
        begun = time.perf_counter()
        segment = segment_of_pairs(terms, owners)
        index.append(segment, np.bincount(segment.chunk_ids, minlength=size))
        took = time.perf_counter() - begun
        seconds, slowest = seconds + took, max(slowest, took)
    times, cpu_times = [], []
    for _ in range(QUERIES):
        query = np.unique(draw(DRAWS_A_QUERY))
        begun, cpu_begun = time.perf_counter(), time.thread_time()
        index.top(query, 24)
        times.append((time.perf_counter() - begun) * 1e3)
        cpu_times.append((time.thread_time() - cpu_begun) * 1e3)
    p50, p99 = np.percentile(times, [50, 99]).round(2).tolist()
    return {
        "chunks": chunks,
        "p50 ms": p50,
        "p99 ms": p99,
        "p99 CPU ms": round(float(np.percentile(cpu_times, 99)), 2),
        "build s": round(seconds, 2),
        "slowest append ms": round(slowest * 1e3, 1),
        "index MB": round(index.nbytes / 1e6, 1),
        "memory MB": round(resident_megabytes(), 1),
        "of it before MB": round(before, 1),
    }


def in_a_process(*command: str) -> dict[str, Any]:
    """The JSON that a script beside this one prints last."""
    script = [sys.executable, str(Path(__file__).with_name(command[0])), *command[1:]]
    told = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: dict[str, Any] = json.loads(told.splitlines()[-1])
    return figures


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """A table with a column for every row: there are more figures than sizes."""
    table = Table("", *(f"{next(iter(row.values())):,}" for row in rows), title=title)
    for name in list(rows[0])[1:]:
        table.add_row(name, *(_cell(row[name]) for row in rows))
    Console(width=160, highlight=False).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    return f"{value:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="*", default=SIZES, help="sizes of synthetic indexes")
    parser.add_argument("--lines", type=int, nargs="*", default=SIZES, help="sizes of copied folders")
    parser.add_argument("--folder", type=Path, nargs="*", default=[], help="folders instead of copies")
    parser.add_argument("--synthetic", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.synthetic:
        return print(json.dumps(synthetic(options.synthetic)))
    queries = [in_a_process("index.py", "--synthetic", str(size)) for size in options.chunks]
    if queries:
        show("queries over synthetic chunks", queries)
    folders = [in_a_process("index_tree.py", str(folder)) for folder in options.folder]
    for lines in options.lines if not folders else ():
        with tempfile.TemporaryDirectory() as folder:
            copy_installed_sources(Path(folder), lines)
            folders.append(in_a_process("index_tree.py", folder))
    if folders:
        show("real folders, by lines", folders)
    return print(json.dumps({"queries": queries, "folders": folders}))


if __name__ == "__main__":
    main()
