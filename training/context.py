"""Stage `context`: examples with project context, from the server's own index, ranking and plan.

Writes ``shards/context/NNNN.npz``. Neighbours in the folder tree are indexed together, as a workspace would
be; the file with the hole is in the index too, and the ranker keeps the answer out as it does in serving.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace

from mellum_lsp.bench.project import is_test
from mellum_lsp.domain import Caret, ScoredChunk
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.plan import Budget, Capacity, PlanSettings, full_budget, make_plan
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.retrieval.ranking import RankSettings
from training.corpus import Document, read_documents
from training.fim import (
    Draw,
    Rendered,
    draw_budget,
    open_tokeniser,
    parse_document,
    take,
    write_rendered,
)
from training.middles import Hole, Limits, choose
from training.recipe import Fim, Recipe, Run
from training.tokens import Tokeniser

FILES_IN_PROJECT = 40
EXAMPLES_IN_PROJECT = 40
_FEWEST_CONTEXT_TOKENS = 80
_MARKERS_AND_PATH = 40
_ANY_MACHINE = Capacity(8192, 400.0, 100.0)
"""Its speed decides nothing where the plan's length is given."""


def build(recipe: Recipe, run: Run) -> None:
    """Writes the context shards of the recipe that do not exist yet."""
    tokeniser = open_tokeniser(recipe, run)
    documents = [d for d in read_documents(run.corpus / "train.jsonl") if d.split == "train"]
    for shard in range(recipe.fim.context_shards):
        path = run.shards / "context" / f"{shard:04d}.npz"
        if path.exists():
            continue
        rng = random.Random(f"{recipe.seed} context {shard}")
        source = examples(recipe.fim, documents, tokeniser, rng)
        rendered = take(source, recipe.fim.context_examples_per_shard)
        write_rendered(run, "context", shard, rendered, tokeniser)


def examples(
    settings: Fim, documents: list[Document], tokeniser: Tokeniser, rng: random.Random
) -> Iterator[Rendered]:
    """Endless examples whose prompts hold what a drawn strategy found (for ``none``: nothing)."""
    draw = Draw(settings, [d for d in documents if not is_test(d.path)])
    while True:
        files = sorted(draw.package(rng), key=lambda d: d.path)
        start = rng.randrange(max(1, len(files) - FILES_IN_PROJECT + 1))
        yield from _project_examples(settings, files[start : start + FILES_IN_PROJECT], tokeniser, rng)


def _project_examples(
    settings: Fim, files: list[Document], tokeniser: Tokeniser, rng: random.Random
) -> Iterator[Rendered]:
    index = ProjectIndex()
    index.add_all((d.path, d.text) for d in files)
    limits = Limits(settings.max_middle_characters, settings.max_middle_lines)
    kinds, shares = list(settings.kinds), list(settings.kinds.values())
    for _ in range(min(EXAMPLES_IN_PROJECT, 4 * len(files))):
        document = rng.choice(files)
        source = parse_document(document)
        hole = choose(source, rng.choices(kinds, shares)[0], limits, rng) if source else None
        if hole is not None:
            rendered = _rendered(settings, index, document, hole, tokeniser, rng)
            if rendered is not None:
                yield rendered


def _rendered(
    settings: Fim,
    index: ProjectIndex,
    document: Document,
    hole: Hole,
    tokeniser: Tokeniser,
    rng: random.Random,
) -> Rendered | None:
    """None where a strategy that should have found something did not."""
    text = document.text[: hole.start] + document.text[hole.end :]
    caret = Caret(document.path, document.language, text, hole.start, document=document.path)
    strategy = rng.choices(list(settings.context_strategies), list(settings.context_strategies.values()))[0]
    own = draw_budget(settings, rng)
    chunks = _found(settings, index, caret, strategy, rng)
    limits, count = budget(settings, own, rng), tokeniser.count
    plan = make_plan(caret, chunks, limits, Mellum(), count, index.compressed)
    if not plan.context and strategy != "none":
        return None
    return Rendered.at(document, hole, plan.render(caret))


def _found(
    settings: Fim, index: ProjectIndex, caret: Caret, strategy: str, rng: random.Random
) -> list[ScoredChunk]:
    limit = rng.randint(1, settings.context_chunks)
    found = index.query(caret, limit=limit, settings=RankSettings.of(strategy))
    return [chunk for chunk in found if rng.random() >= settings.context_drop_out]


def budget(settings: Fim, own: int, rng: random.Random) -> Budget:
    """Half of the time the server's own full plan of a drawn length, else ``own`` tokens for the own file.

    The context is log-uniformly long, up to the recipe's ``context_tokens``.
    """
    low, high = math.log(_FEWEST_CONTEXT_TOKENS), math.log(max(settings.context_tokens, 81))
    context = int(math.exp(rng.uniform(low, high)))
    longest = settings.max_prompt_tokens + settings.context_tokens
    total = min(own + context + _MARKERS_AND_PATH, longest)
    if rng.random() < 0.5:
        served = full_budget(_ANY_MACHINE, PlanSettings(context_tokens=total))
        return replace(served, keystroke_tokens=total, typing_tokens=0)
    suffix = int(own * rng.uniform(0.12, 0.45))
    return Budget(
        total_tokens=total,
        prefix_tokens=own - suffix,
        suffix_tokens=suffix,
        context_tokens=context,
        keystroke_tokens=own,
        typing_tokens=0,
    )
