"""Whether a text fits the caret's place as far as the grammar tells: as it is, or as a beginning."""

from __future__ import annotations

from collections.abc import Iterator

from mellum_lsp.completion.nesting import Nesting
from mellum_lsp.completion.parsing import check_at
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret


def fits(text: str, caret: Caret, replaced: int = 0) -> bool:
    """Whether ``text`` in place of the ``replaced`` closers behind the caret is no mistake, all there."""
    return check_at(caret).fits(text, replaced)


def fits_begun(text: str, caret: Caret, replaced: int = 0) -> bool:
    """Whether ``text`` is no mistake once what it leaves open is thought closed: half a call, a block."""
    return any(fits(text + ending, caret, replaced) for ending in _endings(text, caret))


def is_unfinished(text: str, caret: Caret) -> bool:
    """Whether ``text`` by itself would be a mistake that going on can mend."""
    return not fits(text, caret) and fits_begun(text, caret)


def _endings(text: str, caret: Caret) -> Iterator[str]:
    """All that a text may only have left out at its end, likeliest first."""
    around = look(caret)
    nesting = Nesting(around).read_all(text)
    closing = nesting.closing()
    yield closing
    if around.mid_line:
        return
    if around.syntax.braces:
        yield f"{closing};"
        yield f"{closing}\nx;"
    if around.syntax.braces or nesting.innermost:
        yield f"{closing},"
    for word in around.syntax.word_blocks:
        yield f"\n{around.syntax.empty_statement}\n{word}{closing}"
        yield f"\n{around.syntax.empty_statement}\n{word}\n{word}{closing}"
