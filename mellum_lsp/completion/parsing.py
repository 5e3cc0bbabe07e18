"""How well a document parses with one text or another at the caret: the errors that its grammar finds.

Only an excerpt around the caret is parsed, and after the first time only what a text changes. The work is
bounded by steps of the parser, not by a clock: the same question always gets the same answer.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

from mellum_lsp.completion.excerpt import excerpt
from mellum_lsp.domain import Caret
from mellum_lsp.workspace.grammars import grammar_of

_MOST_ERRORS = 12
"""Where more is wrong around the caret, a parser's word counts for nothing."""

_MOST_STEPS = 100
"""Of a hundred operations of the parser; 6,000 characters of real code take 20 to 70."""

_READ_BYTES = 4096
_FILLER = "x"
"""A name: it repairs what only waits for a value at the caret."""


class SyntaxCheck:
    """Whether a text may stand at the caret as far as the language's grammar tells.

    While somebody types, the code around the caret is rarely whole. So a text is measured against the best of
    what can be had without it: the document as it is, with a name at the caret, and without the caret's line.
    """

    def __init__(self, caret: Caret) -> None:
        self._grammar = grammar_of(caret.language)
        self._before, self._after = (_encoded(text) for text in excerpt(caret.text, caret.offset))
        self._source = self._before + self._after
        self._tree = _parse(self._grammar, self._source) if self._grammar else None
        self._known: dict[tuple[str, int], bool] = {}

    def fits(self, text: str, replaced: int = 0) -> bool:
        """Whether there are no more errors with ``text`` in place of the ``replaced`` characters (closers)
        behind the caret; True where nobody can tell."""
        if self._fewest is None:
            return True
        known = self._known.get((text, replaced))
        if known is None:
            caret = len(self._before)
            errors = self._errors_with(caret, caret + replaced, _encoded(text))
            known = self._known[text, replaced] = errors is not None and errors <= self._fewest
        return known

    @cached_property
    def _fewest(self) -> int | None:
        """The fewest errors that there are without a draft; None where a parser cannot tell."""
        if self._tree is None:
            return None
        as_it_is = count_errors(self._tree)
        if not 0 < as_it_is <= _MOST_ERRORS:
            return None if as_it_is else 0
        caret = len(self._before)
        line_end = self._after.find(b"\n")
        line = self._before.rfind(b"\n") + 1, caret + (line_end if line_end >= 0 else len(self._after))
        others = (self._errors_with(caret, caret, _encoded(_FILLER)), self._errors_with(*line, b""))
        return min(as_it_is, *(errors for errors in others if errors is not None))

    def _errors_with(self, start: int, end: int, text: bytes) -> int | None:
        """The errors with ``text`` in place of the bytes from ``start`` to ``end``."""
        changed = self._source[:start] + text + self._source[end:]
        new_end = start + len(text)
        assert self._tree is not None
        tree = self._tree.copy()
        tree.edit(
            start,
            end,
            new_end,
            _point(self._source, start),
            _point(self._source, end),
            _point(changed, new_end),
        )
        parsed = _parse(self._grammar, changed, tree)
        return None if parsed is None else count_errors(parsed)


@lru_cache(maxsize=4)
def check_at(caret: Caret) -> SyntaxCheck:
    return SyntaxCheck(caret)


def count_errors(tree: Any) -> int:
    """The ERROR and MISSING nodes of a tree, and the hidden tokens (line breaks) that are missing."""
    errors = 0
    nodes = [tree.root_node]
    while nodes:
        node = nodes.pop()
        if not node.has_error:
            continue
        faulty = [child for child in node.children if child.has_error]
        errors += node.is_error or node.is_missing or not faulty
        nodes.extend(faulty)
    return errors


def _parse(grammar: Any, source: bytes, old: Any = None) -> Any | None:
    from tree_sitter import Parser

    steps = 0

    def is_too_long(_offset: int, _has_error: bool) -> bool:
        nonlocal steps
        steps += 1
        return steps > _MOST_STEPS

    def read(offset: int, _point: object) -> bytes:
        return source[offset : offset + _READ_BYTES]

    known = {} if old is None else {"old_tree": old}
    try:
        return Parser(grammar).parse(read, progress_callback=is_too_long, **known)
    except ValueError:  # it was too long
        return None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _point(source: bytes, offset: int) -> tuple[int, int]:
    line = source.rfind(b"\n", 0, offset) + 1
    return source.count(b"\n", 0, line), offset - line
