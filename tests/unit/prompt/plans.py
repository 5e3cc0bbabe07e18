"""Plans, budgets and chunks for the tests of plans, and how to draw them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from mellum_lsp.domain import Chunk, ScoredChunk
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.plan import Budget, Plan, make_plan
from mellum_lsp.prompt.selection import uncompressed

from .carets import Caret, caret_in, one_per_character


def budget(
    total: int, prefix: int | None = None, suffix: int | None = None, context: int | None = None
) -> Budget:
    return Budget(
        total_tokens=total,
        prefix_tokens=total // 2 if prefix is None else prefix,
        suffix_tokens=total // 6 if suffix is None else suffix,
        context_tokens=total if context is None else context,
        keystroke_tokens=total // 4,
        typing_tokens=total // 8,
    )


def found(path: str, line: int, text: str, score: float = 0.5, scope: tuple[str, ...] = ()) -> ScoredChunk:
    return ScoredChunk(Chunk(path, line, line + text.count("\n"), text, scope), score, "lines")


def plan_for(marked: str, *context: ScoredChunk, total: int = 4000) -> tuple[Plan, Caret]:
    caret = caret_in(marked)
    return make_plan(caret, context, budget(total), Mellum(), one_per_character), caret


def first_line(chunk: Chunk) -> Chunk | None:
    """A compressed form: the first line, which stands for all."""
    line = chunk.text.split("\n")[0] + "…"
    return replace(chunk, text=line) if len(line) < len(chunk.text) else None


compressions = st.sampled_from([uncompressed, first_line])
budgets = st.integers(24, 400).map(budget)

chunks = st.lists(
    st.builds(
        lambda path, line, text, score: found(path, line, text, score),
        st.sampled_from(["a.py", "b/c.py", "src/shapes.py"]),
        st.integers(1, 60),
        st.text(st.sampled_from("ab \n()"), max_size=60),
        st.floats(0, 1),
    ),
    max_size=8,
)
