"""``python tests/benchmarks/latency.py run|report``: typing beside this server and beside llama-server.

    python tests/benchmarks/latency.py run --repositories DIR --out DIR [--minutes M] [--model MODEL.gguf]
    python tests/benchmarks/latency.py report --out DIR [--json FILE]

DIR holds the repositories of holes.toml. The same typist writes the same pieces of the same files in real
time, in turns within one run: beside this server; beside llama-server driven as llama.vim drives it
(tests/benchmarks/llama_vim.py), with the same model, as many threads and prompts of the same size; and beside
llama-server once more with as many generated tokens a request as ours, which is what latencies are compared
by. Every piece of three turns is kept in ``--out`` when it is done; the next run goes on, and the report sums
up all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from llama_vim import llama_vim
from llama_vim_text import Sizes

from mellum_lsp.bench.answers import appending, write_line
from mellum_lsp.bench.assistant import Answer
from mellum_lsp.bench.editor import editing
from mellum_lsp.bench.project import Project
from mellum_lsp.bench.replay import Replayed, replay
from mellum_lsp.bench.replay_report import headline_table, waiting_table
from mellum_lsp.bench.replay_summary import ReplayVariant, figures_of
from mellum_lsp.bench.report import estimate, markdown, number
from mellum_lsp.bench.statistics import (
    Estimate,
    censored_percentile,
    difference_of_ratios,
    percentile,
    ratio_of_sums,
)
from mellum_lsp.bench.typist import Sitting, Typist, sittings
from mellum_lsp.models.resolve import resolve

LIST = Path(__file__).parent / "holes.toml"
REPOSITORIES = tomllib.loads(LIST.read_text(encoding="utf-8"))["repository"]
TYPIST = Typist(takes="lines")
"""Of several lines, which llama.vim mostly shows, a person takes the first where that is right; both have
keys for it."""
LONGEST_SITTING_SECONDS = 45.0
OURS, PEER, PEER_SAME = "mellum-lsp", "llama.vim", "llama.vim, as many tokens"
FILE = "pieces.jsonl"


class Piece(msgspec.Struct, frozen=True):
    """One sitting, typed in three turns."""

    repository: str
    sitting: str
    model: str
    threads: int
    ours: Replayed
    peer: Replayed
    peer_same: Replayed


# ---- typing


async def run(options: argparse.Namespace) -> None:
    model = resolve(options.model)
    path = options.out / FILE
    deadline = time.monotonic() + 60 * options.minutes
    known = read(path)
    projects = [Project.read(folder) for folder in folders(options.repositories)]
    while time.monotonic() < deadline:
        project, sitting = next_sitting(projects, known)
        begun = time.monotonic()
        piece = await three_turns(project, sitting, model.path, model.name, options)
        known.append(piece)
        with appending(path) as file:
            write_line(file, piece)
        took = time.monotonic() - begun
        print(f"{project.name}/{sitting.path}: {len(known)} pieces, the last in {took:.0f} s", flush=True)


def folders(root: Path) -> list[Path]:
    """The repositories' folders; raises `SystemExit` where none is there."""
    there = [root / repository["github"].partition("/")[2] for repository in REPOSITORIES]
    there = [folder for folder in there if folder.is_dir()]
    if not there:
        names = ", ".join(repository["github"] for repository in REPOSITORIES)
        raise SystemExit(f"error: {root} holds none of {names}\nhint: unpack them there, see holes.toml")
    return there


def next_sitting(projects: Sequence[Project], known: Sequence[Piece]) -> tuple[Project, Sitting]:
    """Of the project that was typed least, the first sitting that was not."""
    had = {(piece.repository, piece.sitting) for piece in known}
    counts = {project.name: sum(name == project.name for name, _ in had) for project in projects}
    for project in sorted(projects, key=lambda project: counts[project.name]):
        for sitting in sittings(project.files, TYPIST.seed):
            fits = TYPIST.estimate(sitting) <= LONGEST_SITTING_SECONDS
            if fits and (project.name, sitting.path) not in had:
                return project, sitting
    raise SystemExit("error: everything has been typed\nhint: the report tells what came of it")


async def three_turns(
    project: Project, sitting: Sitting, model: Path, name: str, options: argparse.Namespace
) -> Piece:
    settings = {"engine": {"threads": options.threads}}
    log = options.out / "llama-server.log"
    caches = options.out / "servers"
    async with editing(project.root, str(model), settings, caches) as editor:
        ours = await typed(sitting, editor)
    asked = [answer for answer in ours.answers if answer.generated and not answer.superseded]
    tokens = int(statistics.median([answer.prompt for answer in asked if answer.source == "full"] or [1024]))
    generated, chance = [answer.generated for answer in asked] or [8], random.Random(sitting.path)
    sizes = Sizes.for_tokens(tokens, sitting.text)
    async with llama_vim(options.server, model, options.threads, sizes, log) as peer:
        as_it_is = await typed(sitting, peer)
    async with llama_vim(
        options.server, model, options.threads, sizes, log, lambda: chance.choice(generated)
    ) as peer:
        same = await typed(sitting, peer)
    return Piece(project.name, sitting.path, name, options.threads, ours, as_it_is, same)


async def typed(sitting: Sitting, assistant: Any) -> Replayed:
    [one] = [one async for one in replay([sitting], TYPIST, assistant)]
    return one


def read(path: Path) -> list[Piece]:
    """All pieces so far; a line that was cut short counts as missing."""
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(msgspec.json.decode(line, type=Piece))
        except msgspec.DecodeError:
            continue
    return found


# ---- telling


def report(options: argparse.Namespace) -> None:
    """Prints Markdown; with ``--json`` everything goes there."""
    pieces = read(options.out / FILE)
    if not pieces:
        raise SystemExit(f"error: nothing was typed in {options.out}\nhint: latency.py run first")
    turns = {
        OURS: [piece.ours for piece in pieces],
        PEER: [piece.peer for piece in pieces],
        PEER_SAME: [piece.peer_same for piece in pieces],
    }
    figures = [figures_of(ReplayVariant(name), replayed) for name, replayed in turns.items()]
    repositories = sorted({piece.repository for piece in pieces})
    minutes = sum(one.minutes for one in figures)
    print(f"{len(pieces)} pieces of {', '.join(repositories)}; {minutes:.0f} minutes of typing\n")
    print(markdown(headline_table(figures)), "\n")
    print(markdown(waiting_table(figures)), "\n")
    comparison = compared(turns)
    rows = [[name, *(number(value) for value in values)] for name, values in comparison.items()]
    print(markdown((("figure", OURS, "peer", "ours over the peer's"), rows)), "\n")
    if options.json:
        document = {name: [estimate(value) for value in values] for name, values in comparison.items()}
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


def compared(turns: dict[str, list[Replayed]]) -> dict[str, tuple[Estimate, Estimate, Estimate]]:
    """Ours, the peer's and their ratio, or the difference in keys saved."""
    ours, peer, same = turns[OURS], turns[PEER], turns[PEER_SAME]
    found = {}
    for per_cent in (50, 95):
        one, other = model_times(ours, per_cent), model_times(same, per_cent)
        found[f"model's answer at the same number of tokens, p{per_cent}, ms"] = with_ratio(one, other)
        one, other = shown_times(ours, per_cent), shown_times(peer, per_cent)
        found[f"everything shown, p{per_cent}, ms"] = with_ratio(one, other)
    found["tokens generated by such an answer"] = with_ratio(mean_generated(ours), mean_generated(same))
    one, other = cpu_per_minute(ours), cpu_per_minute(peer)
    found["CPU seconds per minute"] = with_ratio(one, other)
    found["CPU seconds per minute, peer with as many tokens"] = with_ratio(one, cpu_per_minute(same))
    saved = [([o.saved for o in turn], [o.by_hand for o in turn]) for turn in (ours, peer)]
    found["characters saved per 100 typed, difference"] = (
        ratio_of_sums(*saved[0], scale=100),
        ratio_of_sums(*saved[1], scale=100),
        difference_of_ratios(saved[0], saved[1], scale=100),
    )
    return found


def by_model(replayed: Sequence[Replayed]) -> list[Answer]:
    """All that asked the model. Ours withdraws some: how long they would have taken is not known."""
    return [
        answer
        for one in replayed
        for answer in one.answers
        if answer.source in ("micro", "full", "stream") or (answer.superseded and not answer.source)
    ]


def model_times(replayed: Sequence[Replayed], per_cent: float) -> Estimate:
    """Answers that ended, shown or silent, and those withdrawn as lower bounds (Kaplan and Meier)."""
    asked = by_model(replayed)
    return censored_percentile(
        [answer.milliseconds for answer in asked],
        [answer.superseded and not answer.generated for answer in asked],
        per_cent,
    )


def shown_times(replayed: Sequence[Replayed], per_cent: float) -> Estimate:
    times = [a.milliseconds for one in replayed for a in one.answers if a.characters and not a.superseded]
    return percentile(times, per_cent)


def mean_generated(replayed: Sequence[Replayed]) -> Estimate:
    counts = [answer.generated for answer in by_model(replayed) if answer.generated]
    return ratio_of_sums(counts, [1] * len(counts))


def cpu_per_minute(replayed: Sequence[Replayed]) -> Estimate:
    return ratio_of_sums([o.spent.cpu_seconds for o in replayed], [o.seconds for o in replayed], scale=60)


def with_ratio(one: Estimate, other: Estimate) -> tuple[Estimate, Estimate, Estimate]:
    """The ratio's bounds are the crossed bounds of both: wider than need be."""
    if not other.low:
        return one, other, Estimate(0.0, 0.0, 0.0, 0)
    ratio = Estimate(one.value / other.value, one.low / other.high, one.high / other.low, one.n)
    return one, other, ratio


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--repositories", type=Path, help="the folder that holds those of holes.toml")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "mellum-latency")
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no other piece after so long")
    parser.add_argument(
        "--model", default=None, help="a catalogue name or a .gguf that speaks Mellum's dialect"
    )
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--server", type=Path, default=Path(".cache/llama-server/llama-server"))
    parser.add_argument("--json", type=Path, help="report: a file for everything")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "report":
        report(options)
        return
    if not options.repositories:
        parser.error("run needs --repositories DIR")
    if not options.server.exists():
        raise SystemExit(f"error: there is no {options.server}\nhint: tests/benchmarks/get_llama_server.sh")
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
