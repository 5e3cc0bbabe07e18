"""Keeps benchmarks out: by their own texts where a package carries them, by their names everywhere.

Texts: any run of ``ngram`` words that a file shares with a benchmark's problem or solution drops the file
(words as in GPT-3's decontamination: letters and digits, lower case). Names: files that mention a benchmark
or one of its first problems are dropped.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from training.corpus.archives import members
from training.corpus.runs import Runs, runs_of, shared

NAMES = re.compile(
    r"human_?eval|\bmbpp\b|\bsafim\b|repobench|crosscodeeval|has_close_elements|separate_paren_groups"
    r"|truncate_number|below_zero|mean_absolute_deviation|find_Rotations|similar_elements",
    re.I,
)
"""Names of completion benchmarks and of their first problems."""

_WORD = re.compile(r"[a-z0-9]+")


class Benchmarks:
    """The runs of words of all benchmark texts that could be had."""

    def __init__(self, texts: Iterable[str], ngram: int = 13) -> None:
        self._ngram = ngram
        parts = [self._runs_of(text) for text in texts]
        self._runs: Runs = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)

    def __len__(self) -> int:
        return len(self._runs)

    def touches(self, text: str) -> bool:
        """Whether a text names a benchmark or shares a run of words with one."""
        return bool(NAMES.search(text)) or (len(self) > 0 and shared(self._runs_of(text), self._runs) > 0)

    def _runs_of(self, text: str) -> Runs:
        return runs_of(_WORD.findall(text.lower()), self._ngram)


def texts_in(wheel: Path) -> Iterator[str]:
    """Every string of the JSON-lines files in a wheel, compressed or not: problems, solutions, tests."""
    for path, raw in members(wheel):
        if path.endswith((".jsonl", ".jsonl.gz")):
            body = gzip.decompress(raw) if path.endswith(".gz") else raw
            for line in body.decode("utf-8").splitlines():
                if line.strip():
                    yield from (v for v in json.loads(line).values() if isinstance(v, str))
