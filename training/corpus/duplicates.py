"""Files that say the same: exactly, nearly (MinHash over runs of words), or in part (runs of lines)."""

from __future__ import annotations

import re

import numpy as np
from datasketch import MinHash, MinHashLSH

from training.corpus.runs import Runs, runs_of

_WORD = re.compile(r"\w+|[^\w\s]")
_RUN_OF_WORDS = 5
_PERMUTATIONS = 64
_FEWEST_RUNS = 20


class NearDuplicates:
    """Remembers texts; says whether a new one nearly equals an earlier one.

    Broder's MinHash over the set of runs of five tokens, with locality-sensitive hashing: texts whose sets
    have a Jaccard similarity of ``threshold`` or more are very probably found.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        self._index = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)
        self._threshold = threshold
        self._known: dict[str, MinHash] = {}

    def add(self, key: str, text: str) -> str | None:
        """The key of an earlier text that ``text`` nearly equals; where there is none, remembers it."""
        runs = runs_of(_WORD.findall(text), _RUN_OF_WORDS)
        if len(runs) < _FEWEST_RUNS:
            return None
        sketch = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=int)
        sketch.update_batch((runs ^ (runs >> np.uint64(32))) & np.uint64(0xFFFFFFFF))
        for candidate in self._index.query(sketch):
            if self._known[candidate].jaccard(sketch) >= self._threshold:
                return str(candidate)
        self._index.insert(key, sketch)
        self._known[key] = sketch
        return None


def runs_of_lines(text: str) -> Runs:
    """Every run of four substantial lines, indentation and imports ignored."""
    lines = (line.strip() for line in text.split("\n"))
    return runs_of([line for line in lines if len(line) > 8 and not line.startswith(("import ", "from "))], 4)
