"""Proof that a GGUF is the model that was trained: same tokens, same logits, and its speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import model as models
from training.quantisation import served_weights
from training.shards import Example
from training.tokens import Tokeniser

EXAMPLES, TOKENS = 4, 120
_SPEED_TOKENS = 24
_TEXT = 'def naïve(items: list[str]) -> int:\n\treturn sum(len(x) for x in items)  # "🙂" <fim_middle>\n'


@torch.no_grad()
def prove(
    model: Any,
    path: Path,
    examples: Sequence[Example],
    rounding: str = "",
    adapter: Path | None = None,
) -> dict[str, float]:
    """Logits of the GGUF (with its adapter) against those of ``model``, at every position of the examples.

    ``rounding``: the model was trained to be served rounded so (``Q4_0``), and is compared so. Within a step
    of that rounding its weights drift as they like, and are no model by themselves.
    ``milliseconds_per_token`` is measured here and now: compare files of one table only.
    """
    import llama_cpp

    engine = llama_cpp.Llama(
        str(path),
        n_ctx=2048,
        n_batch=2048,
        logits_all=True,
        verbose=False,
        n_threads=2,
        lora_path=str(adapter) if adapter else None,
    )
    model.eval()
    agree, divergence, count = 0, 0.0, 0
    for example in examples[:EXAMPLES]:
        tokens = example.tokens[:TOKENS]
        engine.reset()
        engine.eval(tokens.tolist())
        theirs = torch.from_numpy(np.array(engine.scores[: len(tokens)], dtype=np.float32)).log_softmax(-1)
        with served_weights(model, rounding):
            ours = _log_probabilities(model, tokens)
        agree += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
        divergence += float((ours.exp() * (ours - theirs)).sum())
        count += len(tokens)
    speed = _milliseconds_per_token(engine)
    engine.close()
    return {
        "top1_agreement": round(agree / count, 4),
        "kl_nats": round(divergence / count, 6),
        "positions": count,
        "megabytes": round((adapter or path).stat().st_size / 1e6, 1),
        "milliseconds_per_token": round(speed, 2),
    }


def same_tokens(tokeniser: Tokeniser, path: Path, texts: Sequence[str] = (_TEXT,)) -> bool:
    """Whether the written file splits texts, and names its markers, as the run's tokeniser does."""
    written = Tokeniser(path, {})
    markers = {name: written.marker(name) for name in tokeniser.markers}
    return markers == tokeniser.markers and all(
        written.encode(text) == tokeniser.encode(text) for text in texts
    )


def choose(rows: dict[str, dict[str, float]], wanted: str) -> str:
    """What ships: ``wanted``, or for ``auto`` the fastest of those that lose little, the smaller on a tie.

    Little: a divergence from the weights of at most 1.5 times that of the best quantisation.
    """
    quantised = {kind: row for kind, row in rows.items() if kind not in ("F16", "base with lora")}
    if wanted != "auto" or not quantised:
        return wanted
    best = min(row["kl_nats"] for row in quantised.values())
    good = {kind: row for kind, row in quantised.items() if row["kl_nats"] <= 1.5 * max(best, 0.01)}
    return min(good, key=lambda k: (good[k]["milliseconds_per_token"], good[k]["megabytes"]))


def table(rows: dict[str, dict[str, float]], ships: str) -> str:
    """Markdown."""
    lines = [
        "| file | MB | top-1 agreement | KL (nats) | ms a token | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for kind, row in rows.items():
        lines.append(
            f"| {kind} | {row['megabytes']} | {row['top1_agreement']:.3f} | {row['kl_nats']:.5f} "
            f"| {row['milliseconds_per_token']} | {'ships' if kind == ships else ''} |"
        )
    return "\n".join(lines) + "\n"


def _log_probabilities(model: Any, tokens: np.ndarray) -> torch.Tensor:
    hidden = models.hidden_states(model, torch.from_numpy(tokens), [len(tokens)])
    logits: torch.Tensor = model.lm_head(hidden)
    return logits.float().log_softmax(-1)


def _milliseconds_per_token(engine: Any) -> float:
    """The median of single-token evaluations."""
    spent = []
    for _ in range(_SPEED_TOKENS):
        began = time.perf_counter()
        engine.eval([17])
        spent.append(1000 * (time.perf_counter() - began))
    return float(np.median(spent))
