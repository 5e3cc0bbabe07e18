"""From a caret to ranked chunks: candidates of several strategies, one score, and what is left out.

Left out are chunks under the score floor, chunks that nearly equal the caret's own surroundings (they induce
copying) or a better chunk, more than a few of one file, and every chunk of the caret's own file that does not
stand verbatim in the document away from the caret: it is stale, or it holds the very text to be completed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidfuzz import fuzz

from mellum_lsp.domain import Caret, Chunk, ScoredChunk
from mellum_lsp.retrieval.cut_files import CutFiles
from mellum_lsp.retrieval.path_distance import UNRELATED_ROOTS, hops
from mellum_lsp.retrieval.strategies import (
    STRATEGIES,
    Surroundings,
    end_of_first_lines,
    start_of_last_lines,
    window,
)
from mellum_lsp.retrieval.tokens import identifiers

if TYPE_CHECKING:
    from mellum_lsp.retrieval.project import View

_SAME_WORDS = 0.4
"""Texts that share a smaller part of their identifiers are not nearly equal: comparing them would be slow."""


def _weights_of(mix: str) -> tuple[tuple[str, float], ...]:
    """``"tokens:1 lines:0.5"`` as pairs; a strategy without a weight has the weight 1."""
    weights: list[tuple[str, float]] = []
    for word in mix.split():
        name, _, weight = word.partition(":")
        try:
            weights.append((name, float(weight or 1)))
        except ValueError:
            raise ValueError(f"the weight of {name!r} must be a number, not {weight!r}") from None
        if name not in STRATEGIES:
            known = ", ".join(["none", "default", *STRATEGIES])
            raise ValueError(f"there is no strategy {name!r}\nhint: choose from {known}")
    return tuple(weights)


MIX = "tokens:1 lines:0.5 definitions:0.15"
"""The strategies that the server ranks by, and how much each counts."""


@dataclass(frozen=True, slots=True)
class RankSettings:
    """How candidates become a ranking. ``weights`` name the strategies that take part.

    To rank by another mix of strategies, alone or together, to compare them::

        RankSettings.of("none")                       # finds nothing: no project context
        RankSettings.of("tokens")                     # one of `strategies.STRATEGIES` alone, without a floor
        RankSettings.of("tokens:1 definitions:0.15")  # a mix by its weights, with the usual floor
        RankSettings.of("default")                    # the same as RankSettings()
        index.query(caret, settings=RankSettings.of("lines"))

    They look at ``lines_before`` and ``lines_after`` the caret's line: few, for on held-out lines of three
    Python packages the chunks found by 8 and 4 lines held a fifth more of the names that the line needed than
    those found by 24 and 8 (0.49 of 718 names to 0.41), within the same number of characters.
    """

    weights: tuple[tuple[str, float], ...] = _weights_of(MIX)
    lines_before: int = 8
    lines_after: int = 4
    floor: float = 0.08
    candidates: int = 64
    per_file: int = 4
    same: float = 85.0
    hop_penalty: float = 0.03
    open_bonus: float = 0.1
    short_lines: int = 3
    short_penalty: float = 0.7
    own_lines_above: int = 40
    own_lines_below: int = 40
    copy_lines_before: int = 24
    copy_lines_after: int = 8

    @classmethod
    def of(cls, mix: str) -> RankSettings:
        """The settings that rank by ``mix``; raises `ValueError` where it names no strategy.

        A strategy alone has no floor: scores of different strategies mean different things.
        """
        if mix == "default":
            return cls()
        if mix == "none":
            return cls(weights=())
        weights = _weights_of(mix)
        return cls(weights=weights, floor=0.0) if len(weights) == 1 else cls(weights=weights)


def rank(
    view: View, cut_files: CutFiles, caret: Caret, limit: int, settings: RankSettings
) -> list[ScoredChunk]:
    """At most ``limit`` chunks, best first."""
    surroundings = Surroundings(caret, settings.lines_before, settings.lines_after)
    parts: dict[int, dict[str, float]] = {}
    for name, weight in settings.weights:
        for number, score in STRATEGIES[name].find(view, surroundings, settings.candidates):
            parts.setdefault(number, {})[name] = weight * score
    scored: list[ScoredChunk] = []
    for number, shares in parts.items():
        place = int(view.file_of_chunk[number]) if number < len(view.file_of_chunk) else -1
        if place < 0:
            continue
        placed = view.files[place]
        chunk = cut_files.chunk(placed.entry, number - placed.first_chunk)
        same_root = placed.root == caret.root or not caret.root or not placed.root
        if same_root and chunk.path == caret.path and not _fit_to_show(chunk, caret, settings):
            continue
        score = sum(shares.values()) * _penalty(chunk, caret, same_root, settings)
        if placed.key in view.opened:
            score *= 1 + settings.open_bonus
        if score >= settings.floor:
            strategy = max(shares, key=lambda name: shares[name])
            scored.append(ScoredChunk(chunk, round(score, 6), strategy))
    scored.sort(key=lambda one: (-one.score, one.chunk.path, one.chunk.start_line))
    not_to_copy = window(caret, settings.copy_lines_before, settings.copy_lines_after)
    return list(_distinct(scored, not_to_copy, limit, settings))


def _penalty(chunk: Chunk, caret: Caret, same_root: bool, settings: RankSettings) -> float:
    steps = hops(chunk.path, caret.path) if same_root else UNRELATED_ROOTS
    factor = 1 / (1 + settings.hop_penalty * min(steps, UNRELATED_ROOTS))
    if chunk.end_line - chunk.start_line + 1 < settings.short_lines:
        factor *= settings.short_penalty
    return factor


def _fit_to_show(chunk: Chunk, caret: Caret, settings: RankSettings) -> bool:
    """Whether a chunk of the caret's file stands in the document, in front of or behind its surroundings."""
    text, offset = caret.text, caret.offset
    near_before = start_of_last_lines(text, offset, settings.own_lines_above)
    near_after = end_of_first_lines(text, offset, settings.own_lines_below)
    return text.find(chunk.text, 0, near_before) >= 0 or text.find(chunk.text, near_after) >= 0


def _distinct(
    scored: list[ScoredChunk], around: str, limit: int, settings: RankSettings
) -> Iterator[ScoredChunk]:
    """The first ``limit`` that say something new, a few of each file."""
    taken = [(around, identifiers(around))]
    per_file: Counter[str] = Counter()
    for one in scored:
        if len(taken) > limit:
            return
        text = one.chunk.text
        if per_file[one.chunk.path] >= settings.per_file:
            continue
        words = identifiers(text)
        if any(_same(text, words, *other, settings.same) for other in taken):
            continue
        per_file[one.chunk.path] += 1
        taken.append((text, words))
        yield one


def _same(text: str, words: set[str], other: str, other_words: set[str], percent: float) -> bool:
    """Whether the texts are nearly equal, or the first is a part of the other."""
    if not other:
        return False
    shared = len(words & other_words)
    if shared < _SAME_WORDS * (len(words) + len(other_words) - shared):
        return text in other
    return text in other or bool(fuzz.ratio(text, other, score_cutoff=percent))
