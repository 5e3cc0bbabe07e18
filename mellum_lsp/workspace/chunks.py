"""Cuts a file into chunks at syntactic boundaries, or into overlapping windows of lines where it has no
syntax.

What holds for the chunks of every file: together they cover every line that is not blank; each keeps within
`IndexSettings.max_chunk_lines` and ``max_chunk_characters`` (but for a single longer line); syntactic
chunks do not overlap; and a syntax node that fits into those bounds, a small function above all, is never
split.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from mellum_lsp.workspace.settings import IndexSettings

_MAX_DEPTH = 100
_DECORATION_LINES = 4
_SCOPES = re.compile(
    r"class|function|method|impl|module|namespace|interface|struct|trait|object|enum|protocol|extension"
    r"|constructor|subroutine|procedure|package_body|contract"
)
_NOT_SCOPES = re.compile(r"body|list|block|call|import|decorated|type|parameter|modifier|heritage|literal")
_ODDLY_NAMED_SCOPES = frozenset({"fun_decl", "function_body", "value_definition", "Decl"})
"""Of Erlang; of Dart, where the signature stands beside it; of OCaml; of Zig."""
_DO_BLOCKS = frozenset({"call", "command"})
_LISP_DEFINITION = re.compile(r"\s*\(\w*def")
_LEADING = re.compile(r"comment|^attribute_item$")
_DECORATION = re.compile(r"\s*(@|#\[|\[\w)")
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Span:
    """Lines ``start`` to ``end`` (from 0, end excluded) and the lines of the enclosing scopes' headers."""

    start: int
    end: int
    scope: tuple[int, ...] = ()


def cut_tree(lines: list[str], root: Any | None, settings: IndexSettings) -> list[Span]:
    """The chunks of a text by the root node of its tree (`parsing.parse`); without one, windows of lines.

    ``lines`` are the text's, cut at ``\\n``; the chunks come in their order. Never raises on broken text.
    """
    spans = line_windows(lines, settings) if root is None else _Cutter(lines, settings).cut(root)
    return [span for span in (_without_blank_ends(lines, span) for span in spans) if span is not None]


def line_windows(lines: list[str], settings: IndexSettings) -> list[Span]:
    """Overlapping windows: half as long again as the usual chunk, a third shared with the next."""
    size, step = settings.chunk_lines * 3 // 2, settings.chunk_lines
    spans: list[Span] = []
    start = 0
    while start < len(lines):
        end = _end_within(lines, start, min(start + size, len(lines)), settings.max_chunk_characters)
        spans.append(Span(start, end))
        if end >= len(lines):
            break
        start = max(start + 1, end - (size - step))
    return spans


def _end_within(lines: list[str], start: int, end: int, characters: int) -> int:
    """The furthest line up to which ``start`` … stays within ``characters``; at least one line."""
    used = 0
    for line in range(start, end):
        used += len(lines[line]) + 1
        if used > characters and line > start:
            return line
    return end


def _without_blank_ends(lines: list[str], span: Span) -> Span | None:
    start, end = span.start, span.end
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return Span(start, end, span.scope) if start < end else None


class _Cutter:
    """Cuts one parsed file: first into pieces that must stay whole, then gathers small neighbours."""

    def __init__(self, lines: list[str], settings: IndexSettings) -> None:
        self._lines = lines
        self._settings = settings
        self._offsets = list(accumulate((len(line) + 1 for line in lines), initial=0))
        self._pieces: list[Span] = []
        self._leading_ends: set[int] = set()

    def cut(self, root: Any) -> list[Span]:
        self._descend(root, (), 0)
        self._close_gap(len(self._lines))
        return self._gather()

    def _fits(self, start: int, end: int) -> bool:
        return (
            end - start <= self._settings.max_chunk_lines
            and self._offsets[end] - self._offsets[start] <= self._settings.max_chunk_characters
        )

    def _descend(self, node: Any, scope: tuple[int, ...], depth: int) -> None:
        """Emits ``node`` as one piece where it fits, else the pieces of its children under its own scope."""
        start = node.start_point[0]
        end = min(node.end_point[0] + (1 if node.end_point[1] > 0 else 0), len(self._lines))
        end = max(end, min(start + 1, len(self._lines)))
        if self._fits(start, end):
            self._emit(start, end, scope)
            if _LEADING.search(node.type):
                self._leading_ends.add(end)
            return
        children = node.children if depth < _MAX_DEPTH else []
        if not children:
            self._emit_lines(start, end, scope)
            return
        inner = self._scope_inside(node, scope) if depth else scope
        for child in children:
            self._descend(child, inner, depth + 1)
        self._emit(end, end, scope)

    def _scope_inside(self, node: Any, scope: tuple[int, ...]) -> tuple[int, ...]:
        if not self._is_scope(node):
            return scope
        name = node.child_by_field_name("name")
        header = name.start_point[0] if name is not None else node.start_point[0]
        last = min(node.end_point[0], len(self._lines) - 1)
        while header < last and _DECORATION.match(self._lines[header]):
            header += 1
        return scope if header in scope else (*scope, header)

    def _is_scope(self, node: Any) -> bool:
        kind = node.type
        if kind in _DO_BLOCKS:  # of Elixir, Ruby and Groovy: definitions are calls with a block
            return any(child.type in ("do_block", "block") for child in node.children)
        if kind == "list_lit":
            return bool(_LISP_DEFINITION.match(self._lines[node.start_point[0]]))
        named = bool(_SCOPES.search(kind)) and not _NOT_SCOPES.search(kind)
        return named or kind in _ODDLY_NAMED_SCOPES

    def _emit(self, start: int, end: int, scope: tuple[int, ...]) -> None:
        """Adds a piece; lines since the last one go to it; shared lines are glued."""
        done = self._pieces[-1].end if self._pieces else 0
        if end <= done:
            return
        begins, start = start, min(start, done)
        if begins < done:
            last = self._pieces[-1]
            if self._fits(last.start, end):
                self._pieces[-1] = Span(last.start, end, last.scope)
                return
            start = done
        if begins < end and not self._fits(start, end) and self._fits(begins, end):
            self._emit_lines(start, begins, scope)
            start = begins
        if self._fits(start, end):
            self._add(start, end, scope)
        else:
            self._emit_lines(start, end, scope)

    def _add(self, start: int, end: int, scope: tuple[int, ...]) -> None:
        """A scope holds what follows its header; a body often begins on the header's own line."""
        self._pieces.append(Span(start, end, tuple(header for header in scope if header < start)))

    def _emit_lines(self, start: int, end: int, scope: tuple[int, ...]) -> None:
        """Cuts what has no syntax inside (a long string, a comment) by lines alone."""
        start = self._pieces[-1].end if self._pieces else 0
        while start < end:
            limit = min(start + self._settings.max_chunk_lines, end)
            stop = _end_within(self._lines, start, limit, self._settings.max_chunk_characters)
            self._add(start, stop, scope)
            start = stop

    def _close_gap(self, end: int) -> None:
        scope = self._pieces[-1].scope if self._pieces else ()
        self._emit(end, end, scope)

    def _gather(self) -> list[Span]:
        """Joins small neighbours of one scope, headers to their bodies, closers to theirs."""
        spans: list[Span] = []
        pieces = self._with_comments_above()
        following = [*pieces[1:], Span(0, 0)] if pieces else []
        for piece, next_piece in zip(pieces, following, strict=True):
            last = spans[-1] if spans else None
            if last is not None and self._fits(last.start, piece.end):
                neighbours = last.scope == piece.scope and self._belong(
                    last, piece, _opens(piece, next_piece)
                )
                if neighbours or _opens(last, piece) or self._only_closes(piece):
                    spans[-1] = Span(last.start, piece.end, last.scope)
                    continue
            spans.append(piece)
        return spans

    def _with_comments_above(self) -> list[Span]:
        """The pieces, comments and attributes joined to what they stand right above."""
        joined: list[Span] = []
        for piece in reversed(self._pieces):
            below = joined[-1] if joined else None
            if (
                below is not None
                and piece.end in self._leading_ends
                and piece.scope == below.scope
                and self._lines[below.start].strip()
                and self._fits(piece.start, below.end)
            ):
                joined[-1] = Span(piece.start, below.end, piece.scope)
            else:
                joined.append(piece)
        return joined[::-1]

    def _belong(self, last: Span, piece: Span, piece_is_header: bool) -> bool:
        """Whether two neighbours share a chunk; with no blank line between, a little beyond the usual size.

        A header goes with what follows it, and takes along only a decoration or comment right above.
        """
        lines, usual = piece.end - last.start, self._settings.chunk_lines
        adjoining = bool(self._lines[piece.start].strip())
        if piece_is_header:
            return adjoining and last.end - last.start <= _DECORATION_LINES
        return lines <= usual or (adjoining and lines <= usual * 3 // 2)

    def _only_closes(self, piece: Span) -> bool:
        return piece.end - piece.start <= 3 and not any(
            _WORD.search(line) for line in self._lines[piece.start : piece.end]
        )


def _opens(piece: Span, inner: Span) -> bool:
    """Whether ``piece`` is hardly more than the header of the scope that begins in ``inner``."""
    return (
        len(inner.scope) > len(piece.scope)
        and piece.start <= inner.scope[-1] < piece.end
        and piece.end - inner.scope[-1] <= 4
    )
