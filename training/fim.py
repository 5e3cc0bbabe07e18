"""Stage `fim`: documents → fill-in-the-middle examples, rendered by the server's own windows and dialect.

Writes ``shards/plain/NNNN.npz`` and ``shards/short/NNNN.npz`` (no other files in the prompt),
``shards/validation/0000.npz``, and for a person to look at ``shards/samples-*.txt`` and
``shards/statistics-*.json``.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mellum_lsp.bench.project import is_test
from mellum_lsp.domain import Prompt, prompt_text
from mellum_lsp.prompt.dialects.base import ContextFile
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.healing import heal
from mellum_lsp.prompt.windows import Window, cut, fit
from mellum_lsp.workspace.languages import find_language, language_by_id
from training.corpus import Document, read_documents
from training.example_statistics import Statistics
from training.middles import Hole, Limits, choose, middle_of
from training.recipe import Fim, Recipe, Run
from training.shards import Example, write_shard
from training.syntax import Source, parse
from training.tokens import Tokeniser

_ROOTS = ("", "", "", "", "", "src/", "src/", "lib/", "app/", "backend/")
"""A package's files as workspaces show them: mostly at the root, sometimes below a folder."""
_LEFT_TO_RIGHT = Hole(0, 0, "left_to_right", "none")
_LARGEST_PARSED = 120_000


@dataclass(frozen=True)
class Rendered:
    """One example before tokenisation. Without a hole it is plain text, ``prompt`` and nothing else."""

    document: Document
    hole: Hole
    prompt: Prompt
    middle: str

    @classmethod
    def at(cls, document: Document, hole: Hole, prompt: Prompt) -> Rendered:
        """As served: the word at the caret is left out of the prompt, and the hole begins in front of it."""
        healed, word = heal(prompt)
        hole = replace(hole, start=hole.start - len(word))
        return cls(document, hole, healed, middle_of(document.text, hole))


def build(recipe: Recipe, run: Run) -> None:
    """Writes the plain and short shards of the recipe and the validation shard."""
    tokeniser = open_tokeniser(recipe, run)
    documents = list(read_documents(run.corpus / "train.jsonl"))
    validation = [d for d in documents if d.split == "validation"]
    training = [d for d in documents if d.split == "train"]
    held_back = run.shards / "validation" / "0000.npz"
    if not held_back.exists():
        rng = random.Random(f"{recipe.seed} validation")
        fim_only = replace(recipe.fim, left_to_right_share=0.0)
        source = examples(fim_only, validation, tokeniser, rng)
        rendered = take(source, recipe.fim.validation_examples)
        write_shard(held_back, [tokenise(tokeniser, r) for r in rendered])
    low, high = recipe.fim.short_prompt_tokens
    short = replace(recipe.fim, min_prompt_tokens=low, usual_prompt_tokens=high, long_prompt_share=0.0)
    write_set("plain", recipe.fim, recipe.fim.shards, recipe, run, training, tokeniser)
    write_set("short", short, recipe.fim.short_shards, recipe, run, training, tokeniser)
    half = replace(recipe.fim, left_to_right_share=0.5, long_prompt_share=1.0)
    write_set("pretrain", half, recipe.fim.pretrain_shards, recipe, run, training, tokeniser)


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
    for shard in range(shards):
        path = run.shards / name / f"{shard:04d}.npz"
        if path.exists():
            continue
        rng = random.Random(f"{recipe.seed} {name} {shard}")
        rendered = take(examples(settings, documents, tokeniser, rng), settings.examples_per_shard)
        write_rendered(run, name, shard, rendered, tokeniser)


def write_rendered(
    run: Run, name: str, shard: int, rendered: Sequence[Rendered], tokeniser: Tokeniser
) -> None:
    """One shard, its statistics (printed too), and of the first shard samples."""
    tokenised = [tokenise(tokeniser, r) for r in rendered]
    write_shard(run.shards / name / f"{shard:04d}.npz", tokenised)
    statistics = Statistics()
    for item, example in zip(rendered, tokenised, strict=True):
        statistics.count(item.hole, item.document.language, item.middle, item.prompt, example)
    statistics.write(run.shards / f"statistics-{name}-{shard:04d}.json")
    if shard == 0:
        samples = "\n".join(show(r) for r in rendered[:: max(1, len(rendered) // 60)])
        (run.shards / f"samples-{name}.txt").write_text(samples, encoding="utf-8")
    print(f"fim: {name} shard {shard}: {statistics}", flush=True)


def open_tokeniser(recipe: Recipe, run: Run) -> Tokeniser:
    return Tokeniser(run.base / recipe.base.file, recipe.markers)


def take(source: Iterator[Rendered], count: int) -> list[Rendered]:
    return [next(source) for _ in range(count)]


def tokenise(tokeniser: Tokeniser, rendered: Rendered) -> Example:
    """Plain text has no middle: the middle's index is then the example's length, and nothing ends it."""
    prompt = tokeniser.encode_prompt(rendered.prompt)
    if rendered.hole is _LEFT_TO_RIGHT:
        return Example(np.array(prompt, dtype=np.int64), len(prompt))
    tokens = [*prompt, *tokeniser.encode(rendered.middle), tokeniser.end]
    return Example(np.array(tokens, dtype=np.int64), len(prompt))


def show(rendered: Rendered) -> str:
    """An example as a person reads it."""
    hole, document = rendered.hole, rendered.document
    title = f"=== {hole.kind}, {hole.boundary}, {document.language}, {document.package} ==="
    return f"{title}\n{prompt_text(rendered.prompt)}┃{rendered.middle}┃\n"


def examples(
    settings: Fim, documents: Sequence[Document], tokeniser: Tokeniser, rng: random.Random
) -> Iterator[Rendered]:
    """Endless examples: a language by its share, a package by the square root of its size, then a file."""
    draw = Draw(settings, [d for d in documents if len(d.text) <= _LARGEST_PARSED])
    while True:
        document = rng.choice(draw.package(rng))
        if is_test(document.path) and rng.random() < 0.6:
            continue
        if rng.random() < settings.left_to_right_share:
            yield _plain(settings, document, tokeniser, rng)
        else:
            yield from examples_of(settings, document, tokeniser, rng, rng.choice((1, 2, 3)))


class Draw:
    """Draws the files of one package in one language."""

    def __init__(self, settings: Fim, documents: Sequence[Document]) -> None:
        by_language: dict[str, dict[str, list[Document]]] = defaultdict(lambda: defaultdict(list))
        for document in documents:
            by_language[document.language][document.package].append(document)
        if not by_language:
            raise ValueError("no documents to draw from; look at what corpus/report.json says was dropped")
        self._files = by_language
        self._languages = sorted(by_language)
        sizes = {n: sum(_size(files) for files in p.values()) for n, p in by_language.items()}
        rest = [n for n in self._languages if n not in settings.languages]
        left = max(0.0, 1.0 - sum(settings.languages.values()))
        of_rest = sum(sizes[n] for n in rest) or 1
        self._shares = [
            settings.languages[n] if n in settings.languages else left * sizes[n] / of_rest
            for n in self._languages
        ]
        if not any(self._shares):
            raise ValueError(f"the recipe's [fim.languages] names none of {', '.join(self._languages)}")

    def package(self, rng: random.Random) -> list[Document]:
        packages = self._files[rng.choices(self._languages, self._shares)[0]]
        names = sorted(packages)
        return packages[rng.choices(names, [math.sqrt(_size(packages[n])) for n in names])[0]]


def _size(documents: Sequence[Document]) -> int:
    return sum(len(d.text) for d in documents)


def parse_document(document: Document) -> Source | None:
    """None where no grammar knows the language."""
    language = find_language(document.path) or language_by_id(document.language)
    return parse(document.text, language.grammar) if language and language.grammar else None


def examples_of(
    settings: Fim, document: Document, tokeniser: Tokeniser, rng: random.Random, count: int
) -> Iterator[Rendered]:
    """Up to ``count`` examples from one file."""
    source = parse_document(document)
    if source is None:
        return
    limits = Limits(settings.max_middle_characters, settings.max_middle_lines)
    kinds, shares = list(settings.kinds), list(settings.kinds.values())
    for _ in range(count):
        hole = choose(source, rng.choices(kinds, shares)[0], limits, rng)
        if hole is None:
            continue
        rendered = render(settings, document, shown_path(settings, document, rng), hole, tokeniser, rng)
        if tokeniser.count(prompt_text(rendered.prompt)) < settings.max_prompt_tokens * 1.4:
            yield rendered


def shown_path(settings: Fim, document: Document, rng: random.Random) -> str:
    if rng.random() < settings.no_path_share:
        return f"untitled.{document.path.rsplit('.', 1)[-1]}"
    if document.ecosystem == "pypi" and not document.path.startswith("src/"):
        return rng.choice(_ROOTS) + document.path
    return document.path


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
    suffix_share = 0.0 if rng.random() < settings.no_suffix_share else rng.uniform(0.12, 0.45)
    text = document.text[: hole.start] + document.text[hole.end :]
    prefix_tokens, suffix_tokens = int(budget * (1 - suffix_share)), int(budget * suffix_share)
    geometry = fit(text, hole.start, prefix_tokens, suffix_tokens, tokeniser.count)
    window = cut(text, hole.start, geometry)
    return Rendered.at(document, hole, Mellum().render(path, window, context))


def _plain(settings: Fim, document: Document, tokeniser: Tokeniser, rng: random.Random) -> Rendered:
    """A stretch of a file without a hole, under its path as context files stand in a prompt."""
    budget = draw_budget(settings, rng)
    offset = rng.randrange(len(document.text) // 4, len(document.text) + 1)
    window = cut(document.text, offset, fit(document.text, offset, budget, 0, tokeniser.count))
    file = ContextFile(shown_path(settings, document, rng), window.prefix)
    parts = Mellum().render("", Window("", "", "", 0), [file])
    return Rendered(document, _LEFT_TO_RIGHT, tuple(p for p in parts if p.kind == "context"), "")


def draw_budget(settings: Fim, rng: random.Random) -> int:
    """Tokens for prefix and suffix: log-uniform, with a share of longer ones."""
    long = rng.random() < settings.long_prompt_share
    low, high = (
        (settings.usual_prompt_tokens, settings.max_prompt_tokens)
        if long
        else (settings.min_prompt_tokens, settings.usual_prompt_tokens)
    )
    return int(math.exp(rng.uniform(math.log(low), math.log(high))))
