"""Stage `preferences`: pairs of answers of which one is better, for DPO.

The tuned model answers holes of the training files at several temperatures; verifiable rewards say which
answer is better (`training.rewards`). Pairs stand against what users complain of: wrong answers, going on
behind the end, stubs, and long guesses where a short answer is sure. Writes ``preferences/NNNN.jsonl``: token
ids of prompt, chosen and rejected, and why.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

import torch

from training import checkpoints, fim
from training.corpus import read_documents
from training.pairs import Pair, write_pairs
from training.progress import bar
from training.recipe import Preferences, Recipe, Run
from training.rewards import judge_answer
from training.sampling import Sampled, sample
from training.syntax import parse
from training.tokens import Tokeniser

_LONG_LINES = 4
_STUBS = {"python": "raise NotImplementedError", "rust": "todo!()", "kotlin": 'TODO("later")'}
_OTHER_STUB = "// TODO"


def build(recipe: Recipe, run: Run, device: str = "cpu") -> None:
    """Writes the shards that do not exist yet; does nothing where the recipe wants none."""
    settings = recipe.preferences
    if not settings.shards:
        return
    tokeniser = fim.open_tokeniser(recipe, run)
    documents = [d for d in read_documents(run.corpus / "train.jsonl") if d.split == "train"]
    folder = run.root / "preferences"
    folder.mkdir(parents=True, exist_ok=True)
    model = checkpoints.build_model(recipe, run, checkpoints.newest(run)).to(device)
    for shard in bar(range(settings.shards), "preferences"):
        path = folder / f"{shard:04d}.jsonl"
        if path.exists():
            continue
        rng = random.Random(f"{recipe.seed} preferences {shard}")
        torch.manual_seed(rng.randrange(1 << 30))
        holes = fim.take(fim.examples(recipe.fim, documents, tokeniser, rng), settings.holes_per_shard)
        pairs = list(pairs_of(settings, model, tokeniser, holes, rng))
        write_pairs(path, pairs)
        print(f"preferences: shard {shard}: {dict(Counter(pair.reason for pair in pairs))}", flush=True)


def pairs_of(
    settings: Preferences,
    model: object,
    tokeniser: Tokeniser,
    holes: Sequence[fim.Rendered],
    rng: random.Random,
) -> Iterator[Pair]:
    """At most one pair a hole."""
    rendered = [hole for hole in holes if hole.middle.strip()]
    prompts = [tokeniser.encode_prompt(hole.prompt) for hole in rendered]
    answers = sample(
        model, prompts, settings.temperatures, settings.max_new_tokens, tokeniser.end, settings.batch
    )
    for hole, prompt, said in zip(rendered, prompts, answers, strict=True):
        pair = _pair(settings, tokeniser, hole, prompt, said, rng)
        if pair is not None:
            yield pair


def _pair(
    settings: Preferences,
    tokeniser: Tokeniser,
    hole: fim.Rendered,
    prompt: list[int],
    said: Sequence[Sampled],
    rng: random.Random,
) -> Pair | None:
    truth = [*tokeniser.encode(hole.middle), tokeniser.end]
    rewarded = sorted(
        ((judge_answer(tokeniser, hole, one.tokens, one.ended).reward, one) for one in said),
        key=lambda p: p[0],
    )
    worst_reward, worst = rewarded[0]
    kind = rng.choices(list(settings.kinds), list(settings.kinds.values()))[0]
    if kind == "goes on":
        following = hole.document.text[hole.hole.end :][:200]
        more = tokeniser.encode(following)[: rng.randint(4, 24)]
        return Pair(prompt, truth, [*truth[:-1], *more], kind) if following.strip() else None
    if kind == "stub" and "\n" in hole.middle.strip():
        stub = _STUBS.get(hole.document.language, _OTHER_STUB)
        indentation = hole.middle[: len(hole.middle) - len(hole.middle.lstrip())]
        return Pair(prompt, truth, [*tokeniser.encode(indentation + stub), tokeniser.end], kind)
    if 1 - worst_reward < settings.margin:
        return None
    rejected = [*worst.tokens, *([tokeniser.end] if worst.ended else [])]
    if kind == "long" and hole.middle.count("\n") + 1 >= _LONG_LINES:
        short = first_statements(hole)
        if short:
            return Pair(prompt, [*tokeniser.encode(short), tokeniser.end], rejected, kind)
    best_reward, best = rewarded[-1]
    if best.ended and best_reward > 0.95 and best.tokens != worst.tokens:
        return Pair(prompt, [*best.tokens, tokeniser.end], rejected, "better sample")
    return Pair(prompt, truth, rejected, "wrong")


def first_statements(hole: fim.Rendered) -> str:
    """As many whole statements of a long middle as fit into three lines; "" where the first does not."""
    source = fim.parse_document(hole.document) or parse(hole.document.text, "python")
    at = hole.hole
    ends = [u.end for u in source.statements if at.start < u.end < at.end]
    short = [end for end in ends if source.text.count("\n", at.start, end) < _LONG_LINES - 1]
    return source.text[at.start : max(short)] if short else ""
