"""Tokenised examples on disk, and the stream of packed rows that training reads from them.

A shard is one ``.npz``: ``tokens`` (uint16, all examples one behind another), ``ends`` (int64, where each
example ends) and ``middles`` (int64, where each example's middle begins, absolute). New shards may appear in
a folder at any time; the stream takes them up when it has read those before.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of prompt, middle and end of text; ``middle`` is the index of the middle's first token.

    Plain text has no middle: ``middle`` is then its length.
    """

    tokens: np.ndarray
    middle: int


def write_shard(path: Path, examples: Sequence[Example]) -> None:
    """Written under another name first, so that a reader never sees half a shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = np.array([len(e.tokens) for e in examples], dtype=np.int64)
    ends = np.cumsum(lengths)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        tokens=np.concatenate([e.tokens for e in examples]).astype(np.uint16),
        ends=ends,
        middles=ends - lengths + np.array([e.middle for e in examples], dtype=np.int64),
    )
    partial.rename(path)


def read_shard(path: Path) -> list[Example]:
    with np.load(path) as file:
        tokens, ends, middles = file["tokens"].astype(np.int64), file["ends"], file["middles"]
    starts = np.concatenate([[0], ends[:-1]])
    return [Example(tokens[s:e], int(m - s)) for s, e, m in zip(starts, ends, middles, strict=True)]


def shard_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.npz") if not p.name.endswith(".partial.npz"))


@dataclass
class Cursor:
    """How far a folder has been read: which shard of which epoch, and how many of its examples."""

    shard: int = 0
    example: int = 0
    epoch: int = 0


@dataclass
class Row:
    """``lengths`` of the examples in ``tokens``; ``weights[i]``: loss weight of predicting ``tokens[i]``."""

    tokens: np.ndarray
    lengths: list[int]
    weights: np.ndarray


class Folder:
    """Examples of one folder in a seeded order; goes round again when its shards are used up."""

    def __init__(self, path: Path, seed: int, cursor: Cursor) -> None:
        self.path, self.seed, self.cursor = path, seed, cursor
        self._loaded: tuple[str, int] | None = None
        self._examples: list[Example] = []

    def available(self) -> bool:
        return bool(shard_files(self.path))

    def next(self) -> Example:
        cursor = self.cursor
        files = shard_files(self.path)
        if cursor.shard >= len(files):
            cursor.shard, cursor.example, cursor.epoch = 0, 0, cursor.epoch + 1
        file = files[cursor.shard]
        if self._loaded != (file.name, cursor.epoch):
            self._examples = read_shard(file)
            random.Random(f"{self.seed} {file.name} {cursor.epoch}").shuffle(self._examples)
            self._loaded = (file.name, cursor.epoch)
        example = self._examples[cursor.example]
        cursor.example += 1
        if cursor.example >= len(self._examples):
            cursor.shard, cursor.example = cursor.shard + 1, 0
        return example


@dataclass
class RowStream:
    """Rows of exactly ``row_tokens`` tokens drawn from folders by share; `snapshot` goes into checkpoints."""

    root: Path
    mix: dict[str, float]
    row_tokens: int
    other_text_weight: float
    seed: int
    state: dict[str, Any] = field(default_factory=dict)
    end_weight: float = 1.0
    """Of the end of text behind a middle: one token of fifteen decides whether a ghost ends in time."""

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        if "rng" in self.state:
            version, internal, gauss = self.state["rng"]
            self._rng.setstate((version, tuple(internal), gauss))
        cursors = self.state.get("cursors", {})
        self._folders = {
            name: Folder(self.root / name, self.seed, Cursor(**cursors.get(name, {}))) for name in self.mix
        }
        self._carry: list[Example] = []

    def snapshot(self) -> dict[str, Any]:
        """Where the stream stands. Up to a few examples held for packing are not remembered."""
        return {
            "rng": self._rng.getstate(),
            "cursors": {name: vars(folder.cursor).copy() for name, folder in self._folders.items()},
        }

    def next_row(self) -> Row:
        """Packs the next examples; those that do not fit wait, the last gap is filled with a cut example."""
        taken: list[Example] = []
        free = self.row_tokens
        waiting, self._carry = self._carry, []
        tries = 0
        while free > 0 and tries < 12:
            example = waiting.pop(0) if waiting else self._draw()
            if len(example.tokens) <= free:
                taken.append(example)
                free -= len(example.tokens)
            else:
                self._carry.append(example)
                tries += 1 if not waiting else 0
                if free < 40:
                    break
        self._carry += waiting
        tokens = np.zeros(self.row_tokens, dtype=np.int64)
        weights = np.zeros(self.row_tokens, dtype=np.float32)
        lengths, at = [], 0
        for example in taken:
            size = len(example.tokens)
            tokens[at : at + size] = example.tokens
            weights[at + 1 : at + example.middle] = self.other_text_weight
            weights[at + example.middle : at + size] = 1.0
            if example.middle < size:
                weights[at + size - 1] = self.end_weight
            lengths.append(size)
            at += size
        if at < self.row_tokens:
            lengths.append(self.row_tokens - at)
        return Row(tokens, lengths, weights)

    def _draw(self) -> Example:
        names = [n for n, folder in self._folders.items() if folder.available() and self.mix[n] > 0]
        if not names:
            raise FileNotFoundError(f"no shards in {self.root}; run the stage fim first")
        name = self._rng.choices(names, [self.mix[n] for n in names])[0]
        return self._folders[name].next()
