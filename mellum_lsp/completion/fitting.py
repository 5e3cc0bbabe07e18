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


_VALUE = " x"
_BEHIND = {
    "colon": (":", _VALUE, f"{_VALUE}:", "():"),
    "brace": (";", " {}", f"{_VALUE};", f"\n{_VALUE};", "() {}", f"{_VALUE} {{}}", f": {_VALUE},"),
}
"""What may have been left out behind the last word, likeliest first: a header's end, a value, both."""


def _endings(text: str, caret: Caret) -> Iterator[str]:
    """All that a text may only have left out at its end, likeliest first."""
    around = look(caret)
    nesting = Nesting(around).read_all(text)
    closing = nesting.closing()
    yield closing
    if around.mid_line:
        return
    syntax = around.syntax
    if syntax.braces or nesting.innermost:
        yield f"{closing},"
    for ending in _BEHIND["colon"] if syntax.colon_blocks else _BEHIND["brace"] if syntax.braces else ():
        yield closing + ending
    if closing:
        yield _VALUE + closing
    for word in syntax.word_blocks:
        yield f"\n{syntax.empty_statement}\n{word}{closing}"
        yield f"\n{syntax.empty_statement}\n{word}\n{word}{closing}"
