"""How long a typist waits: real files are typed against the real server, and every request is timed.

    python tests/benchmarks/complete.py [--model M] [--files N]

Each line that is typed is removed from its file first; then its characters are put back one by one, and an
inline completion is requested after each, as an editor does. The table splits the requests by who answered
(the model, the result cache, or nobody and why), because silence is not speed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import sysconfig
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "protocol"))
from lsp_client import over_stdio

SEED = 7
LINES_A_FILE = 6
TYPED_CHARACTERS = 24


def files_to_type(count: int) -> list[Path]:
    """Modules of the interpreter's own library, of middling size."""
    library = Path(sysconfig.get_paths()["stdlib"])
    candidates = [file for file in sorted(library.glob("*.py")) if 4_000 < file.stat().st_size < 40_000]
    return random.Random(SEED).sample(candidates, count)


def lines_to_type(text: str) -> Iterator[tuple[int, str]]:
    """Numbers (from 0) and contents of lines of code worth typing."""
    lines = text.split("\n")
    worth = [
        (number, line)
        for number, line in enumerate(lines)
        if number > 20 and len(line.strip()) > 12 and not line.strip().startswith(("#", '"', "'"))
    ]
    yield from sorted(random.Random(SEED).sample(worth, min(LINES_A_FILE, len(worth))))


async def type_files(model: str | None, files: list[Path], root: Path) -> dict[str, object]:
    """Milliseconds by who answered, the reasons for silence, and the start-up."""
    waited: dict[str, list[float]] = defaultdict(list)
    reasons: Counter[str] = Counter()
    started = time.perf_counter()
    first_answer: float | None = None
    arguments = ["--model", model] if model else []
    async with over_stdio(root.parent, *arguments) as (client, _):
        await client.initialize(workspaceFolders=[{"uri": root.as_uri(), "name": "bench"}])
        for file in track(files, description="typing", console=Console(stderr=True)):
            text = (root / file.name).read_text(encoding="utf-8")
            uri = (root / file.name).as_uri()
            client.open(uri, text)
            for number, line in lines_to_type(text):
                indent = len(line) - len(line.lstrip())
                end = {"line": number, "character": len(line.encode("utf-16-le")) // 2}
                client.edit(uri, {"line": number, "character": indent}, end, "")
                characters = min(TYPED_CHARACTERS, len(line) - indent)
                for typed in range(characters):
                    at = {"line": number, "character": indent + typed}
                    if typed:
                        before = {"line": number, "character": indent + typed - 1}
                        client.edit(uri, before, before, line[indent + typed - 1])
                    asked = time.perf_counter()
                    reply = await client.request(
                        "textDocument/inlineCompletion",
                        {
                            "textDocument": {"uri": uri},
                            "position": at,
                            "context": {"triggerKind": 2},
                        },
                    )
                    now = time.perf_counter()
                    if reply["items"] and first_answer is None:
                        first_answer = now - started
                    status = await client.request("mellum/status")
                    silent = status["message"] if not reply["items"] else ""
                    kind = "silent" if silent else "answered"
                    waited[kind].append((now - asked) * 1000)
                    if silent:
                        reasons[silent.split(" p=")[0]] += 1
                rest = {"line": number, "character": indent + characters - 1}
                client.edit(uri, rest, rest, line[indent + characters - 1 :])
        await client.end()
    return {"waited": waited, "reasons": reasons, "first_answer_s": first_answer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model")
    parser.add_argument("--files", type=int, default=6)
    options = parser.parse_args()
    files = files_to_type(options.files)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "project"
        root.mkdir()
        for file in files:
            (root / file.name).write_bytes(file.read_bytes())
        seen = asyncio.run(type_files(options.model, files, root))
    table = Table("requests", "count", "p50 ms", "p90 ms", "p95 ms", "p99 ms", box=None)
    figures = {}
    everything = [value for values in seen["waited"].values() for value in values]
    for kind, values in {**seen["waited"], "all": everything}.items():
        row = {f"p{share}": round(float(np.percentile(values, share)), 1) for share in (50, 90, 95, 99)}
        figures[kind] = {"count": len(values), **row}
        table.add_row(kind, str(len(values)), *(str(value) for value in row.values()))
    console = Console(highlight=False)
    console.print(table)
    for reason, count in seen["reasons"].most_common():
        console.print(f"  silent {count:4}: {reason}")
    console.print(f"first answer {seen['first_answer_s']:.2f} s after the server's start")
    print(json.dumps({**figures, "reasons": seen["reasons"], "first_answer_s": seen["first_answer_s"]}))


if __name__ == "__main__":
    main()
