"""What a variant said to a hole, kept as it came, so that a run goes on where it was broken off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from mellum_lsp.bench.holes import Hole
from mellum_lsp.completion.generated import Generated


class Variant(msgspec.Struct, frozen=True):
    """A model with a mix of context strategies (see `RankedContext`) and the longest prompt, in tokens."""

    model: str
    context: str
    context_tokens: int

    @property
    def name(self) -> str:
        return f"{self.model}, {self.context}"

    @property
    def file_name(self) -> str:
        plain = re.sub(r"[^\w.:=-]+", "_", f"{self.model}--{self.context}--{self.context_tokens}")
        return f"{plain.replace(':', '=')}.jsonl"


class ShownChunk(msgspec.Struct, frozen=True, array_like=True):
    """Where a chunk of the prompt came from, and which strategy brought it."""

    path: str
    start_line: int
    end_line: int
    strategy: str


class Answer(msgspec.Struct, frozen=True):
    """A generation without any gate. ``text``, ``ends`` and ``probabilities`` are those of `Generated`.

    ``supplied`` are the hole's needs that stand in the prompt's project context. ``milliseconds`` are of the
    whole answer, its prompt evaluated cold. ``failure`` says why there is nothing where the pipeline failed.
    """

    hole: str
    text: str
    ends: tuple[int, ...]
    probabilities: tuple[float, ...]
    stop: str
    chunks: tuple[ShownChunk, ...] = ()
    supplied: tuple[str, ...] = ()
    prompt_tokens: int = 0
    milliseconds: float = 0.0
    failure: str = ""

    def generated(self) -> Generated:
        return Generated(self.text, self.ends, self.probabilities, self.stop)


def read_answers(path: Path) -> dict[str, Answer]:
    """Answers by hole; a last line that was cut short counts as missing."""
    if not path.exists():
        return {}
    found: dict[str, Answer] = {}
    for line in path.read_bytes().splitlines():
        try:
            answer = msgspec.json.decode(line, type=Answer)
        except msgspec.DecodeError:
            continue
        found[answer.hole] = answer
    return found


@contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """The file to append whole lines to; a line that an earlier run left unfinished is closed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        yield file


def write_line(file: BinaryIO, record: object) -> None:
    """One JSON document on a line of its own, on disk at once."""
    file.write(msgspec.json.encode(record) + b"\n")
    file.flush()


def write_holes(path: Path, holes: Iterable[Hole]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(hole) + b"\n" for hole in holes))


def read_holes(path: Path) -> list[Hole]:
    return [msgspec.json.decode(line, type=Hole) for line in path.read_bytes().splitlines()]
