"""Compressed code: what definitions promise, without how they keep it.

An `Outline` says which stretches of a text may be left out: bodies of functions, all of a docstring or
comment but its first line, the insides of long literals. Signatures, fields and first lines of documentation
remain. It is found once, from the tree that cuts the chunks (`find_outline`); applying it to any range of
lines (`compress`) parses nothing. Of the class on the left the right remains:

    class Basket:                                 class Basket:
        \"\"\"What one customer buys together.           \"\"\"What one customer buys together.\"\"\"
                                                      limit: int = 20
        At most twenty things.                        def __init__(self, owner):
        \"\"\"                                                self.owner = owner
        limit: int = 20                               def total(self, rate: float) -> float: ...

        def __init__(self, owner):
            self.owner = owner
            register(owner)

        def total(self, rate: float) -> float:
            return rate * sum(self.prices)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from mellum_lsp.workspace.languages import Language

_DATA = frozenset(
    {"json", "yaml", "toml", "xml", "html", "css", "scss", "make", "dockerfile", "vue", "svelte"}
)
_SEMICOLON = frozenset(
    {"c", "cpp", "java", "javascript", "typescript", "tsx", "csharp", "php", "rust", "dart", "objc", "d",
     "solidity", "cuda", "glsl"}
)  # fmt: skip
_CALLABLE = re.compile(
    r"function|method|constructor|destructor|subroutine|procedure|initializer|init_decl|accessor_decl|operator_decl"
    r"|arrow|lambda|closure|func_literal|getter|setter|^Decl$"
)
_EXPRESSION = re.compile(r"arrow|lambda|closure|literal|expression|anonymous|^function$|^generator_function$")
_NAMELESS_BODY = frozenset({"function_body", "computed_property"})
"""Bodies in grammars that do not name them as fields: of Kotlin and Dart, of properties in Swift."""
_STATIC_CODE = frozenset({"static_initializer", "anonymous_initializer"})
_DEFINITION = re.compile(
    r"class|struct|interface|trait|impl|enum|object|protocol|extension|record|union|contract|function|method"
    r"|constructor|declaration|definition|decorated|export|template"
)
_NO_DEFINITION = re.compile(r"namespace|module|mod_|package|body|block|_list$")
_LITERAL = re.compile(
    r"^(?:dictionary|list|set|tuple|array|array_expression|array_initializer|initializer_list|literal_value|hash"
    r"|token_tree|table_constructor|string|template_string|raw_string_literal|collection_literal)$"
)
_KEPT_LITERAL_LINES = 4
_NEVER_SPLIT_LINES = 12
_MAX_DEPTH = 60
_FIELDS_IN = {
    "python": ("__init__", re.compile(r"self\.\w+\s*(?::[^=]+)?=(?!=)")),
    "javascript": ("constructor", re.compile(r"this\.#?\w+\s*=(?!=)")),
    "ruby": ("initialize", re.compile(r"@\w+\s*=(?!=)")),
}
"""Where fields are declared by assigning to them: the constructor's name, and how such a line begins."""
_BLOCKS = frozenset({"block", "Block", "compound_statement", "script_block"})
_STATEMENT_PARENTS = frozenset({"block", "module", "expression_statement"})
_ELIXIR_DEFINERS = frozenset({b"def", b"defp", b"defmacro", b"defmacrop", b"test"})
_OPENER = re.compile(r"[rRbBuUfF]*(?P<quote>\"\"\"|'''|\"|')|/\*+!?|\{-+\|?|\(\*+|--\[=*\[|<!--|\W*")
_CLOSERS = {"/*": " */", "{-": " -}", "(*": " *)", "--": "]]", "<!": " -->"}
_SIGN = re.compile(r"\w")

Place = tuple[int, int]
"""A line and a column in it, both from 0, in characters."""


class Cut(NamedTuple):
    """A stretch to leave out, and what to say in its place."""

    start: Place
    end: Place
    instead: str


@dataclass(frozen=True, slots=True)
class Outline:
    """What may be left out of a text, in its order and without overlap.

    ``extents`` are the lines (from 0, end excluded) of longer definitions that have anything to leave out.
    """

    cuts: tuple[Cut, ...] = ()
    extents: tuple[tuple[int, int], ...] = ()


def find_outline(lines: list[str], root: Any | None, language: Language | None) -> Outline:
    """The outline of a text by the root node of its tree; empty without one, and for files of data."""
    if root is None or language is None or language.grammar is None or language.grammar in _DATA:
        return Outline()
    finder = _Finder(lines, language.grammar)
    finder.descend(root, 0)
    return Outline(tuple(finder.cuts), tuple(finder.extents))


def whole_definitions(outline: Outline, start: int, end: int) -> int:
    """The line (from 0, excluded) up to which definitions reach that begin in lines ``start`` to ``end``."""
    return max([end, *(last for first, last in outline.extents if start <= first < end)])


def compress(lines: list[str], outline: Outline, start: int, end: int) -> str:
    """Lines ``start`` to ``end`` (from 0, end excluded) without what the outline leaves out and blank lines.

    What a range gives stands as whole lines in what any wider range gives.
    """
    kept: list[str] = []
    at = (start, 0)
    for cut in outline.cuts:
        if cut.end <= at:
            continue
        if cut.start[0] >= end:
            break
        if cut.start < at:
            at = (cut.end[0] + 1, 0)
            continue
        kept += [*_between(lines, at, cut.start), cut.instead]
        at = cut.end
        end = max(end, at[0] + 1)
    if at[0] < end:
        kept += _between(lines, at, (end - 1, len(lines[end - 1])))
    return "\n".join(line.rstrip() for line in "".join(kept).split("\n") if line.strip())


def _between(lines: list[str], start: Place, end: Place) -> Iterator[str]:
    line, column = start
    while line < end[0]:
        yield lines[line][column:] + "\n"
        line, column = line + 1, 0
    yield lines[line][column : end[1]]


class _Finder:
    """Walks the nodes of several lines outside of bodies, in the order of the text."""

    def __init__(self, lines: list[str], grammar: str) -> None:
        self._lines = lines
        self._grammar = grammar
        self._stop = " ..." if grammar == "python" else ";" if grammar in _SEMICOLON else ""
        self.cuts: list[Cut] = []
        self.extents: list[tuple[int, int]] = []

    def descend(self, node: Any, depth: int) -> None:
        comment_above = -2
        for child in node.children:
            kind = child.type
            if "comment" in kind:
                comment_above = self._comment(child, comment_above)
            elif child.end_point[0] > child.start_point[0]:
                self._visit(child, kind, depth + 1)

    def _visit(self, node: Any, kind: str, depth: int) -> None:
        cuts_before = len(self.cuts)
        first, last = node.start_point[0], node.end_point[0]
        if kind in _STATIC_CODE:
            self._cut(self._start(node), self._end(node), "")
        elif (body := self._body(node, kind)) is not None:
            self._callable(node, kind, body)
        elif kind in _NAMELESS_BODY:
            self._cut(self._before(node), self._end(node), self._stop)
        elif (docstring := self._docstring(node)) is not None:
            self._shorten(docstring)
        elif _LITERAL.match(kind):
            if last - first > _KEPT_LITERAL_LINES:
                self._cut(self._line_end(first), self._line_end(last - 1), " ...")
        elif depth < _MAX_DEPTH:
            self.descend(node, depth)
        long = last - first >= _NEVER_SPLIT_LINES
        if (
            long
            and len(self.cuts) > cuts_before
            and _DEFINITION.search(kind)
            and not _NO_DEFINITION.search(kind)
        ):
            self.extents.append((first, last + 1))

    def _body(self, node: Any, kind: str) -> Any | None:
        """The node of a callable's body, or the brace that opens it; None for all else."""
        if self._grammar == "elixir" and kind == "call" and node.children[0].text in _ELIXIR_DEFINERS:
            return next((child for child in node.children if child.type == "do_block"), None)
        if not _CALLABLE.search(kind):
            return None
        body = node.child_by_field_name("body")
        if body is None and node.named_child_count and node.named_children[-1].type in _BLOCKS:
            body = node.named_children[-1]
        if body is None and not _EXPRESSION.search(kind):
            body = next((child for child in node.children if child.type == "{"), None)
        return body

    def _callable(self, node: Any, kind: str, body: Any) -> None:
        kept = [] if _EXPRESSION.search(kind) else self._worth_keeping(node, body)
        if kept:
            self._leave_out_between(kept, node, body)
        elif _EXPRESSION.search(kind):
            start = self._start(body)
            braced = self._lines[start[0]].startswith("{", start[1])
            self._cut(start, self._end(body), "{ ... }" if braced else "...")
        else:
            self._cut(self._header_end(node, body), self._end(node), self._stop)

    def _worth_keeping(self, node: Any, body: Any) -> list[Any]:
        """The statements of a body that remain: the docstring and, in a constructor, fields."""
        statements = body.named_children
        kept = [one for one in statements[:1] if self._docstring(one) is not None]
        constructor, field = _FIELDS_IN.get(self._grammar, ("", _SIGN))
        name = node.child_by_field_name("name") if constructor else None
        if name is not None and name.text == constructor.encode():
            for statement in statements:
                line, column = self._start(statement)
                if field.match(self._lines[line], column):
                    kept.append(statement)
        return kept

    def _leave_out_between(self, kept: list[Any], node: Any, body: Any) -> None:
        """Leaves out a body but for ``kept`` statements, whose further lines go too, and for its last line
        where that closes it."""
        done, end = self._header_end(node, body), self._end(node)
        if self._grammar == "javascript":
            line, column = self._start(body)
            done = (line, column + 1)
        for statement in kept:
            first, last = statement.start_point[0], statement.end_point[0]
            self._cut(done, self._line_end(first - 1), "")
            if (docstring := self._docstring(statement)) is not None:
                self._shorten(docstring)
            elif last > first:
                self._cut(self._line_end(first), self._end(statement), " ...")
            done = self._end(statement)
        self._cut(done, end if self._grammar == "python" else self._line_end(end[0] - 1), "")

    def _docstring(self, statement: Any) -> Any | None:
        """The string where a statement of Python is nothing else."""
        if self._grammar != "python":
            return None
        if statement.type == "expression_statement" and statement.child_count == 1:
            statement = statement.children[0]
        is_statement = statement.parent is not None and statement.parent.type in _STATEMENT_PARENTS
        return statement if statement.type == "string" and is_statement else None

    def _comment(self, node: Any, comment_above: int) -> int:
        """Shortens a comment; returns its line where a comment right below it would go on with it."""
        first, column = self._start(node)
        last = self._end(node)[0]
        if last > first:
            self._shorten(node)
        elif self._lines[first][:column].strip():
            return -2
        elif comment_above == first - 1:
            self._cut(self._line_end(first - 1), self._line_end(first), "")
        elif not _SIGN.search(self._lines[first]):
            return -2
        return first

    def _shorten(self, node: Any) -> None:
        """Leaves out all of a comment or string of several lines but the first that says anything."""
        start, end = self._start(node), self._end(node)
        opener = _OPENER.match(self._lines[start[0]], start[1])
        assert opener is not None
        closer = opener.group("quote") or _CLOSERS.get(opener.group()[:2], "")
        for line in range(start[0], end[0] + 1):
            after = opener.end() if line == start[0] else 0
            if (sign := _SIGN.search(self._lines[line], after)) is None:
                continue
            if line > start[0]:
                gap = " " if closer.startswith(" ") else ""
                self._cut((start[0], opener.end()), (line, sign.start()), gap)
            if line < end[0]:
                self._cut(self._line_end(line), end, closer)
            return

    def _header_end(self, node: Any, body: Any) -> Place:
        """Where a signature ends: in Python behind its colon, else before the body's ``{`` or ``=``."""
        if self._grammar == "python":
            return self._end([child for child in node.children if child.type == ":"][-1])
        return self._before(body)

    def _before(self, body: Any) -> Place:
        line, column = self._start(body)
        while True:
            before = self._lines[line][:column].rstrip()
            column = len(before.removesuffix("=").removesuffix("{").removesuffix("->").rstrip())
            if column or not line:
                return line, column
            line, column = line - 1, len(self._lines[line - 1])

    def _start(self, node: Any) -> Place:
        return self._place(*node.start_point)

    def _end(self, node: Any) -> Place:
        """Where a node ends; some grammars say of a line comment that it ends where the next line begins."""
        line, column = node.end_point
        if column == 0 and line > node.start_point[0]:
            return self._line_end(line - 1)
        return self._place(line, column)

    def _place(self, line: int, byte: int) -> Place:
        if line >= len(self._lines):
            return self._line_end(len(self._lines) - 1)
        text = self._lines[line]
        return line, byte if text.isascii() else len(
            text.encode("utf-8", "replace")[:byte].decode("utf-8", "ignore")
        )

    def _line_end(self, line: int) -> Place:
        return line, len(self._lines[line])

    def _cut(self, start: Place, end: Place, instead: str) -> None:
        if start < end and (not self.cuts or self.cuts[-1].end <= start):
            self.cuts.append(Cut(start, end, instead))
