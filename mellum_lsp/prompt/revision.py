"""What becomes of a frozen plan when the project changes around it.

The plan keeps everything that still holds, in its place, so that the KV cache in front of it stays. What has
gone is dropped, what has changed is shown as it is now, and what is new comes behind the rest, as far as the
budget has room. Only where the budget could be spent clearly better is it worth a plan made from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mellum_lsp.domain import Caret, Chunk, ScoredChunk
from mellum_lsp.prompt.context import context_files
from mellum_lsp.prompt.plan import Plan, in_order, prompt_tokens, within
from mellum_lsp.prompt.selection import Compress, uncompressed

CLEARLY_BETTER = 1.25
"""How many times the held chunks' scores another choice must reach to be worth evaluating a new prompt."""

_ABSENT = 0.5
"""What is left of the score of a held chunk that is no longer found: it may only have lost its place."""


def revised(
    plan: Plan,
    caret: Caret,
    found: Sequence[ScoredChunk],
    is_gone: Callable[[Chunk], bool],
    compress: Compress = uncompressed,
) -> Plan:
    """``plan`` for a project that has changed; the plan itself where that makes no difference to it.

    ``found`` is what the project offers now, best first, at the place that the plan was made for
    (``plan.made_at``): asked at the place where the caret is, a plan would change with every word typed.
    ``caret`` is where the caret stands now; the prompt for it keeps the budget.
    """
    now = {_says(one): one for one in found}
    gone = gone_from(plan, caret, is_gone)
    changed = {one.chunk.path for one in gone}
    # In a changed file, lines have moved: what is not found there now has no place between what is.
    kept = [
        _as_now(one, now, compress)
        for one in plan.chunks
        if one not in gone and (_says(one) in now or one.chunk.path not in changed)
    ]
    held = {_says(one) for one in kept}
    unsure = {path for path, text in held - now.keys()}
    offered = [one for one in found if _says(one) not in held and one.chunk.path not in unsure]
    offered.sort(key=lambda one: one.chunk.path not in changed)  # what replaces something before what is new
    taken = plan.choose(caret, offered, room_for_context(plan, caret), kept, compress)
    if not gone and not taken:
        return plan
    chunks = tuple(sorted((*kept, *taken), key=lambda one: -one.score))
    paths = dict.fromkeys(file.path for file in (*plan.context, *context_files(taken)))
    plan = replace(plan, chunks=chunks, context=in_order(paths, chunks))
    return within(plan, caret, plan.budget.total_tokens)


def carried_over(
    fresh: Plan,
    held: Plan,
    found: Sequence[ScoredChunk],
    is_gone: Callable[[Chunk], bool],
    compress: Compress = uncompressed,
) -> Plan:
    """``fresh``, made from scratch for another place of the same document, with the context of ``held``.

    Context stands in front of everything else, so that another choice of it costs the whole prompt, and the
    same one only the new window. Where the context of ``fresh`` is clearly better for its place, as much is
    kept of the beginning as may stay without that, and what is better comes behind it; at worst, nothing.
    """
    if not held.context or (held.budget, held.dialect) != (fresh.budget, fresh.dialect):
        return fresh
    caret, files = fresh.made_at, len(held.context)
    for length in sorted({files * quarters // 4 for quarters in (1, 2, 3, 4)} - {0}, reverse=True):
        begin = held.context[:length]
        paths = {file.path for file in begin}
        chunks = tuple(one for one in held.chunks if one.chunk.path in paths)
        plan = revised(replace(fresh, chunks=chunks, context=begin), caret, found, is_gone, compress)
        plan = within(plan, caret, plan.budget.total_tokens - plan.budget.typing_tokens)
        if not is_outdone(plan, caret, found, compress):
            return plan
    return fresh


def gone_from(plan: Plan, caret: Caret, is_gone: Callable[[Chunk], bool]) -> list[ScoredChunk]:
    """The chunks that the plan should no longer hold: gone from the project, or come into the window."""
    return [one for one in plan.chunks if not plan.may_hold(one.chunk, caret) or is_gone(one.chunk)]


def is_outdone(
    plan: Plan, caret: Caret, found: Sequence[ScoredChunk], compress: Compress = uncompressed
) -> bool:
    """Whether ``found``, the best chunks for ``caret`` (best first), are clearly better than what is held."""
    best = plan.choose(caret, found, room_for_context(plan, caret), compress=compress)
    now = {_says(one): one.score for one in found}
    held = sum(now.get(_says(one), one.score * _ABSENT) for one in plan.chunks)
    return sum(one.score for one in best) > CLEARLY_BETTER * held


def room_for_context(plan: Plan, caret: Caret) -> int:
    """The tokens that all context may cost, at ``caret`` as at the place that the plan was made for.

    The less of both: deleting a word would otherwise make room for a chunk, and that cost an evaluation.
    """
    bare = replace(plan, context=())
    window = max(prompt_tokens(bare.render(place), plan.count) for place in (caret, plan.made_at))
    return min(plan.budget.total_tokens - plan.budget.typing_tokens - window, plan.budget.context_tokens)


def _says(one: ScoredChunk) -> tuple[str, str]:
    """What makes two chunks the same, on whatever lines they stand and in whichever form."""
    return one.found.path, one.found.text


def _as_now(one: ScoredChunk, now: Mapping[tuple[str, str], ScoredChunk], compress: Compress) -> ScoredChunk:
    """A held chunk with the lines and the score that it has now, in the form in which it is held."""
    current = now.get(_says(one), one)
    shorter = compress(current.found) if one.whole else None
    return replace(current, chunk=shorter, whole=current.found) if shorter else current
