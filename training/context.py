"""Examples with project context: the server's index, ranking and plan over a slice of a package's files.

Writes ``shards/context/NNNN.npz``. Neighbours in the folder tree are indexed together, as a workspace would
be; the file with the hole is in the index too, and the ranker keeps the answer out as it does in serving.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator

from mellum_lsp.domain import Caret
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.plan import Budget, make_plan
from mellum_lsp.retrieval.project import ProjectIndex
from training.corpus import Document, read_documents
from training.fim import Rendered, draw_budget, is_test, open_tokeniser, show, tokenise
from training.middles import Limits, choose, middle_of, parse
from training.recipe import Fim, Recipe, Run
from training.shards import write_shard
from training.tokens import Tokeniser

FILES_IN_PROJECT = 40
EXAMPLES_IN_PROJECT = 40


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
        rendered = [next(source) for _ in range(recipe.fim.context_examples_per_shard)]
        write_shard(path, [tokenise(tokeniser, r) for r in rendered])
        samples = "\n".join(show(r) for r in rendered[:: max(1, len(rendered) // 30)])
        (run.shards / "samples-context.txt").write_text(samples, encoding="utf-8")
        print(f"context: shard {shard}: {len(rendered)} examples", flush=True)


def examples(
    settings: Fim, documents: list[Document], tokeniser: Tokeniser, rng: random.Random
) -> Iterator[Rendered]:
    """Endless examples whose prompts hold at least one chunk of another place."""
    packages: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        if not is_test(document.path):
            packages[document.package].append(document)
    names = sorted(packages)
    weights = [math.sqrt(sum(len(d.text) for d in packages[n])) for n in names]
    while True:
        files = sorted(packages[rng.choices(names, weights)[0]], key=lambda d: d.path)
        start = rng.randrange(max(1, len(files) - FILES_IN_PROJECT + 1))
        yield from _project_examples(settings, files[start : start + FILES_IN_PROJECT], tokeniser, rng)


def _project_examples(
    settings: Fim, files: list[Document], tokeniser: Tokeniser, rng: random.Random
) -> Iterator[Rendered]:
    index = ProjectIndex()
    index.add_all((d.path, d.text) for d in files)
    limits = Limits(settings.max_middle_characters, settings.max_middle_lines)
    kinds, shares = list(settings.kinds), list(settings.kinds.values())
    for _ in range(EXAMPLES_IN_PROJECT):
        document = rng.choice(files)
        hole = choose(parse(document.text), rng.choices(kinds, shares)[0], limits, rng)
        if hole is None:
            continue
        text = document.text[: hole.start] + document.text[hole.end :]
        caret = Caret(document.path, "python", text, hole.start, document=document.path)
        chunks = index.query(caret, limit=rng.randint(1, settings.context_chunks))
        own = draw_budget(settings, rng)
        context = rng.randint(80, settings.context_tokens)
        suffix = int(own * rng.uniform(0.12, 0.45))
        budget = Budget(
            total_tokens=min(own + context + 40, settings.max_prompt_tokens + settings.context_tokens),
            prefix_tokens=own - suffix,
            suffix_tokens=suffix,
            context_tokens=context,
            keystroke_tokens=own,
            typing_tokens=0,
        )
        plan = make_plan(caret, chunks, budget, Mellum(), tokeniser.count)
        if plan.context:
            yield Rendered(document, hole, plan.render(caret), middle_of(document.text, hole))
