"""Which context and how much of the caret's own file a prompt holds, and the prompt that comes of it.

A plan is frozen while the caret stays near its anchor: rendering it again after a typed character changes the
prompt only behind the prefix's old end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from mellum_lsp.domain import Caret, Chunk, Marker, Prompt, ScoredChunk
from mellum_lsp.prompt.budget import Budget, Capacity, PlanSettings, full_budget, micro_budget
from mellum_lsp.prompt.context import context_files
from mellum_lsp.prompt.dialects.base import ContextFile, Dialect
from mellum_lsp.prompt.selection import Compress, select, uncompressed
from mellum_lsp.prompt.windows import Count, Geometry, Window, cut, end_of_lines, fit, longest_tail

__all__ = [
    "Budget",
    "Capacity",
    "Count",
    "Plan",
    "PlanSettings",
    "full_budget",
    "make_plan",
    "micro_budget",
    "prompt_tokens",
]

ANCHOR_LINES = 8
"""A caret that moved this many lines from where the plan was made gets a new one."""

_INSERTED = ")]}\"'`;,\r\n\t "
_EMPTY = Window(prefix="", suffix="", closers="", start_line=0)
_RETOKENISED = 16
"""How many tokens more than its bytes a typed text may cost, where it changes tokens before it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A frozen decision; `make_plan` makes it, `render` applies it.

    ``chunks`` are those the prompt really holds, best first; ``context`` the same as files, in the order of
    the prompt; ``path`` the caret's path as the prompt shows it; ``tokens`` what the prompt for the caret
    ``measured_at`` has.
    """

    budget: Budget
    dialect: Dialect
    path: str
    geometry: Geometry
    chunks: tuple[ScoredChunk, ...]
    context: tuple[ContextFile, ...]
    made_at: Caret = field(repr=False)
    measured_at: Caret = field(repr=False)
    tokens: int
    count: Count = field(repr=False, compare=False)

    def window(self, caret: Caret) -> Window:
        """The window around ``caret``, by this plan's geometry.

        As closers right behind the caret do, those stay out of the suffix that were put onto lines below it
        since the plan was made: an editor does that at a line break between brackets.
        """
        window = cut(caret.text, caret.offset, self.geometry)
        first = _window_where_made(self.made_at, self.geometry)
        below = len(self.made_at.text) - self.made_at.offset - len(first.closers)
        begin = len(caret.text) - below  # of what stood there already
        inserted = caret.text[caret.offset : begin] if caret.offset < begin else ""
        if len(inserted) <= len(window.closers) or inserted.strip(_INSERTED):
            return window
        is_as_it_was = caret.text.startswith(first.suffix, begin)
        return replace(window, suffix=first.suffix, closers=inserted) if is_as_it_was else window

    def render(self, caret: Caret) -> Prompt:
        """The prompt for ``caret``; within the budget as long as the plan `still_fits` it."""
        return self.dialect.render(self.path, self.window(caret), self.context)

    def choose(
        self,
        caret: Caret,
        chunks: Iterable[ScoredChunk],
        tokens: int,
        held: Sequence[ScoredChunk] = (),
        compress: Compress = uncompressed,
    ) -> tuple[ScoredChunk, ...]:
        """Those of ``chunks`` (best first) that add to what is ``held`` and fit with it into ``tokens``.

        Chunks of the caret's own file are not compressed: only what stands verbatim in the document is known
        not to hold the very text to be completed.
        """
        render, path = self.dialect.render, self.path
        without = prompt_tokens(render(path, _EMPTY, ()), self.count)
        return select(
            (one for one in chunks if self.may_hold(one.chunk, caret)),
            tokens,
            lambda file: prompt_tokens(render(path, _EMPTY, (file,)), self.count) - without,
            held,
            lambda chunk: None if chunk.path == caret.path else compress(chunk),
        )

    def may_hold(self, chunk: Chunk, caret: Caret) -> bool:
        """Whether a chunk adds anything: one of the caret's own file must stand outside the window.

        Also outside of what the window will show when the caret moves down while the plan lasts. What does
        not stand in the document (any more) adds nothing but confusion.
        """
        if chunk.path != caret.path:
            return True
        window = self.window(caret)
        shown_from = caret.offset - len(window.prefix)
        shown_until = caret.offset + len(window.closers) + len(window.suffix)
        shown_until = end_of_lines(caret.text, shown_until, ANCHOR_LINES - 1)
        lines = f"\n{chunk.text}\n"
        return lines in f"\n{caret.text[:shown_from]}\n" or lines in f"\n{caret.text[shown_until:]}\n"

    def still_fits(self, caret: Caret) -> bool:
        """Whether this plan may serve ``caret``, or a new one is due.

        It is due in another document, `ANCHOR_LINES` away, above the window and when the prompt has outgrown
        the budget.
        """
        if (caret.document, caret.path) != (self.made_at.document, self.made_at.path):
            return False
        line = line_of(caret)
        if abs(line - line_of(self.made_at)) >= ANCHOR_LINES or line < self.geometry.start_line:
            return False
        if line == self.geometry.start_line and len(caret.line_before) < self.geometry.start_column:
            return False
        old, new = self.window(self.measured_at), self.window(caret)
        if old.suffix == new.suffix and new.prefix.startswith(old.prefix):
            typed = len(new.prefix[len(old.prefix) :].encode())
            if self.tokens + typed + _RETOKENISED <= self.budget.total_tokens:
                return True
        return prompt_tokens(self.render(caret), self.count) <= self.budget.total_tokens


def make_plan(
    caret: Caret,
    chunks: Sequence[ScoredChunk],
    budget: Budget,
    dialect: Dialect,
    count: Count,
    compress: Compress = uncompressed,
) -> Plan:
    """The plan for ``caret``: its window first, then as many of ``chunks`` (best first) as the budget holds.

    Chunks that do not fit in full may enter in the form that ``compress`` gives them.

    The rendered prompt has at most ``budget.total_tokens`` tokens, counted segment by segment.
    """
    asked, count = count, lru_cache(maxsize=None)(count)  # counting may ask another process
    path = _shown_path(caret.path, budget.total_tokens // 4, count)
    room = budget.total_tokens - budget.typing_tokens
    room -= prompt_tokens(dialect.render(path, _EMPTY, ()), count)
    suffix_tokens = min(budget.suffix_tokens, room // 4)
    if not dialect.prefix_last:
        suffix_tokens = min(suffix_tokens, budget.keystroke_tokens // 2)
    prefix_tokens = min(budget.prefix_tokens, room - suffix_tokens)
    geometry = fit(caret.text, caret.offset, max(0, prefix_tokens), max(0, suffix_tokens), count)
    plan = Plan(budget, dialect, path, geometry, (), (), caret, caret, 0, count)
    spent = prompt_tokens(plan.render(caret), count)
    context_room = min(budget.total_tokens - budget.typing_tokens - spent, budget.context_tokens)
    held = plan.choose(caret, chunks, context_room, compress=compress)
    plan = replace(plan, chunks=held, context=context_files(held))
    plan = within(plan, caret, budget.total_tokens - budget.typing_tokens)
    return replace(plan, count=asked)


def prompt_tokens(prompt: Prompt, count: Count) -> int:
    """The tokens of a prompt: one for each marker, ``count`` of each text by itself."""
    return sum(
        1 if isinstance(segment, Marker) else count(segment)
        for part in prompt
        for segment in part.segments
        if segment
    )


def within(plan: Plan, caret: Caret, tokens: int) -> Plan:
    """The plan counted for ``caret``, without its least relevant chunks where it had more than ``tokens``.

    Files may cost more together than each by itself.
    """
    while True:
        counted = prompt_tokens(plan.render(caret), plan.count)
        if counted <= tokens or not plan.chunks:
            return replace(plan, measured_at=caret, tokens=counted)
        fewer = plan.chunks[:-1]
        plan = replace(plan, chunks=fewer, context=in_order([file.path for file in plan.context], fewer))


def in_order(paths: Iterable[str], chunks: Sequence[ScoredChunk]) -> tuple[ContextFile, ...]:
    """The files of ``chunks`` in the order of ``paths``."""
    files = {file.path: file for file in context_files(chunks)}
    return tuple(files[path] for path in paths if path in files)


@lru_cache(maxsize=8)
def _window_where_made(caret: Caret, geometry: Geometry) -> Window:
    return cut(caret.text, caret.offset, geometry)


def _shown_path(path: str, tokens: int, count: Count) -> str:
    """The path, without its first folders where it would take too many tokens."""
    while count(path) > tokens:
        _, separator, rest = path.partition("/")
        if not separator:
            return path[longest_tail(path, 0, len(path), tokens, count) :]
        path = rest
    return path


def line_of(caret: Caret) -> int:
    """The caret's line, from 0."""
    return caret.text.count("\n", 0, caret.offset)
