"""What a shard consists of, for a person to look at before training."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mellum_lsp.domain import Prompt
from training.middles import Hole
from training.shards import Example

_QUANTILES = (0.1, 0.5, 0.9)


class Statistics:
    """Counts by kind, boundary and language; lengths in tokens, lines and characters."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._lengths: dict[str, list[int]] = defaultdict(list)

    def count(self, hole: Hole, language: str, middle: str, prompt: Prompt, example: Example) -> None:
        with_context = any(part.kind == "context" for part in prompt)
        self._counts["kind"][hole.kind] += 1
        self._counts["boundary"][hole.boundary] += 1
        self._counts["language"][language] += 1
        self._counts["project context"]["yes" if with_context else "no"] += 1
        self._counts["lines of the middle"][str(min(middle.count("\n") + 1, 9))] += 1
        self._lengths["tokens"].append(len(example.tokens))
        self._lengths["middle tokens"].append(len(example.tokens) - example.middle)
        self._lengths["middle characters"].append(len(middle))

    def table(self) -> dict[str, Mapping[str, float]]:
        counts = {name: dict(counter.most_common()) for name, counter in self._counts.items()}
        lengths = {
            name: {"sum": sum(values)}
            | {f"p{int(q * 100)}": float(np.quantile(values, q)) for q in _QUANTILES}
            for name, values in self._lengths.items()
        }
        return {"examples": {"all": len(self._lengths["tokens"])}, **counts, **lengths}

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.table(), indent=1), encoding="utf-8")

    def __str__(self) -> str:
        table = self.table()
        parts = [f"{int(table['examples']['all'])} examples"]
        for name in ("tokens", "middle tokens"):
            parts.append(f"{int(table[name]['sum'])} {name}")
        for name in ("language", "kind", "boundary"):
            total = sum(table[name].values())
            shares = ", ".join(f"{key} {value / total:.0%}" for key, value in table[name].items())
            parts.append(f"{name}: {shares}")
        return "; ".join(parts)
