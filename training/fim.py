"""Stage `fim`: documents → fill-in-the-middle examples, rendered by the server's own windows and dialect.

Writes ``shards/plain/NNNN.npz`` and ``shards/short/NNNN.npz`` (no other files in the prompt),
``shards/validation/0000.npz`` and ``shards/samples-*.txt`` for a person to look at.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mellum_lsp.domain import Prompt, prompt_text
from mellum_lsp.prompt.dialects.base import ContextFile
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.windows import cut, fit
from training.corpus import Document, read_documents
from training.middles import Hole, Limits, choose, middle_of, parse
from training.recipe import Fim, Recipe, Run
from training.shards import Example, write_shard
from training.tokens import Tokeniser

_ROOTS = ("", "", "", "", "", "src/", "src/", "lib/", "app/", "backend/")
"""A package's files as workspaces show them: mostly at the root, sometimes below a folder."""


@dataclass(frozen=True)
class Rendered:
    """One example before tokenisation."""

    document: Document
    hole: Hole
    prompt: Prompt
    middle: str


def build(recipe: Recipe, run: Run) -> None:
    """Writes the plain shards of the recipe and the validation shard."""
    tokeniser = open_tokeniser(recipe, run)
    documents = list(read_documents(run.corpus / "train.jsonl"))
    validation = [d for d in documents if d.split == "validation"]
    training = [d for d in documents if d.split == "train"]
    held_back = run.shards / "validation" / "0000.npz"
    if not held_back.exists():
        rng = random.Random(f"{recipe.seed} validation")
        source = examples(recipe.fim, validation, tokeniser, rng)
        rendered = take(source, recipe.fim.validation_examples)
        write_shard(held_back, [tokenise(tokeniser, r) for r in rendered])
    low, high = recipe.fim.short_prompt_tokens
    short = replace(recipe.fim, min_prompt_tokens=low, usual_prompt_tokens=high, long_prompt_share=0.0)
    write_set("plain", recipe.fim, recipe.fim.shards, recipe, run, training, tokeniser)
    write_set("short", short, recipe.fim.short_shards, recipe, run, training, tokeniser)


def write_set(
    name: str,
    settings: Fim,
    shards: int,
    recipe: Recipe,
    run: Run,
    documents: Sequence[Document],
    tokeniser: Tokeniser,
) -> None:
    """Writes the shards of one folder that do not exist yet, with samples and statistics to look at."""
    statistics: Counter[str] = Counter()
    for shard in range(shards):
        path = run.shards / name / f"{shard:04d}.npz"
        if path.exists():
            continue
        rng = random.Random(f"{recipe.seed} {name} {shard}")
        rendered = take(examples(settings, documents, tokeniser, rng), settings.examples_per_shard)
        tokenised = [tokenise(tokeniser, r) for r in rendered]
        write_shard(path, tokenised)
        for item, example in zip(rendered, tokenised, strict=True):
            statistics.update([f"kind {item.hole.kind}", f"boundary {item.hole.boundary}"])
            statistics["tokens"] += len(example.tokens)
            statistics["middle tokens"] += len(example.tokens) - example.middle
        if shard == 0:
            samples = "\n".join(show(r) for r in rendered[:60])
            (run.shards / f"samples-{name}.txt").write_text(samples, encoding="utf-8")
        print(f"fim: {name} shard {shard}: {len(rendered)} examples; so far {dict(statistics)}", flush=True)


def open_tokeniser(recipe: Recipe, run: Run) -> Tokeniser:
    return Tokeniser(run.base / recipe.base.file, recipe.markers)


def take(source: Iterator[Rendered], count: int) -> list[Rendered]:
    return [next(source) for _ in range(count)]


def tokenise(tokeniser: Tokeniser, rendered: Rendered) -> Example:
    prompt = tokeniser.encode_prompt(rendered.prompt)
    tokens = [*prompt, *tokeniser.encode(rendered.middle), tokeniser.end]
    return Example(np.array(tokens, dtype=np.int64), len(prompt))


def show(rendered: Rendered) -> str:
    """An example as a person reads it."""
    hole = rendered.hole
    title = f"=== {hole.kind}, {hole.boundary}, {rendered.document.package} ==="
    return f"{title}\n{prompt_text(rendered.prompt)}┃{rendered.middle}┃\n"


def examples(
    settings: Fim, documents: Sequence[Document], tokeniser: Tokeniser, rng: random.Random
) -> Iterator[Rendered]:
    """Endless examples: packages by the square root of their size, then files, one to three holes each."""
    files: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        files[document.package].append(document)
    packages = sorted(files)
    weights = [math.sqrt(sum(len(d.text) for d in files[p])) for p in packages]
    while True:
        package = rng.choices(packages, weights)[0]
        document = rng.choice(files[package])
        if is_test(document.path) and rng.random() < 0.6:
            continue
        yield from examples_of(settings, document, tokeniser, rng, rng.choice((1, 2, 3)))


def is_test(path: str) -> bool:
    return "/tests/" in f"/{path}" or "/test/" in f"/{path}" or path.rsplit("/", 1)[-1].startswith("test_")


def examples_of(
    settings: Fim, document: Document, tokeniser: Tokeniser, rng: random.Random, count: int
) -> Iterator[Rendered]:
    """Up to ``count`` examples from one file."""
    source = parse(document.text)
    limits = Limits(settings.max_middle_characters, settings.max_middle_lines)
    kinds, shares = list(settings.kinds), list(settings.kinds.values())
    path = rng.choice(_ROOTS) + document.path
    for _ in range(count):
        hole = choose(source, rng.choices(kinds, shares)[0], limits, rng)
        if hole is None:
            continue
        rendered = render(settings, document, path, hole, tokeniser, rng)
        if tokeniser.count(prompt_text(rendered.prompt)) < settings.max_prompt_tokens * 1.4:
            yield rendered


def render(
    settings: Fim,
    document: Document,
    path: str,
    hole: Hole,
    tokeniser: Tokeniser,
    rng: random.Random,
    context: Sequence[ContextFile] = (),
) -> Rendered:
    """The prompt that a server would render at the hole, under a budget drawn like its plans."""
    budget = draw_budget(settings, rng)
    suffix_share = 0.0 if rng.random() < 0.04 else rng.uniform(0.12, 0.45)
    text = document.text[: hole.start] + document.text[hole.end :]
    prefix_tokens, suffix_tokens = int(budget * (1 - suffix_share)), int(budget * suffix_share)
    geometry = fit(text, hole.start, prefix_tokens, suffix_tokens, tokeniser.count)
    window = cut(text, hole.start, geometry)
    prompt = Mellum().render(path, window, context)
    return Rendered(document, hole, prompt, middle_of(document.text, hole))


def draw_budget(settings: Fim, rng: random.Random) -> int:
    """Tokens for prefix and suffix: log-uniform, with a share of longer ones."""
    long = rng.random() < settings.long_prompt_share
    low, high = (
        (settings.usual_prompt_tokens, settings.max_prompt_tokens)
        if long
        else (settings.min_prompt_tokens, settings.usual_prompt_tokens)
    )
    return int(math.exp(rng.uniform(math.log(low), math.log(high))))
