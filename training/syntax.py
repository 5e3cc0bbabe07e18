"""What tree-sitter knows of a file, as offsets into its text: statements, blocks, other units, token edges.

One set of rules serves every grammar: a *block* is a node of one of the types that grammars use for lists of
statements, members or declarations; whatever stands in one is a *statement*; a *unit* is an expression, an
argument list, a condition or a whole block. Everything here is pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from mellum_lsp.bench.syntax import character_offsets

BLOCKS = frozenset(
    {
        "module", "block", "program", "statement_block", "class_body", "interface_body", "object_type",
        "enum_body", "switch_body", "constructor_body", "switch_block", "switch_block_statement_group",
        "annotation_type_body", "source_file", "statements", "enum_class_body", "statement_list",
        "declaration_list", "field_declaration_list", "enum_variant_list", "match_block", "translation_unit",
        "compound_statement", "enumerator_list", "compilation_unit", "accessor_list", "template_body",
        "body_statement", "then", "do_block", "function_body", "chunk", "do_group",
    }
)  # fmt: skip
"""Node types whose named children are statements, members or declarations, of all grammars together."""

_EXPRESSION = re.compile(
    r"_expression$|_operator$|_comprehension$|_literal$|_invocation$|_creation|_access$|_argument$|_parameter$"
    r"|^(call|attribute|subscript|lambda|array|object|pair|list|dictionary|tuple|generator_expression|element"
    r"|value_argument|infix_expression|macro_invocation|template_string|string)$"
)
_INSIDES = re.compile(
    r"^(argument_list|arguments|value_arguments|token_tree|parameters|formal_parameters|parameter_list"
    r"|function_value_parameters|list|dictionary|tuple|array|object|array_expression|initializer_list"
    r"|array_initializer|named_imports|import_list|use_list|type_arguments|type_parameters)$"
)
_FIELDS = frozenset({"condition", "right", "value"})
_STRING = re.compile(r"string|char(acter)?_literal|heredoc|regex")
_COMMENT = re.compile(r"comment")
_TERMINATORS = ";,"
_BODY_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Unit:
    """A node as character offsets, of a file that is cut anywhere but inside strings.

    ``body_start`` and ``body_end`` are those of the block that the node opens, -1 where it opens none.
    """

    type: str
    start: int
    end: int
    body_start: int = -1
    body_end: int = -1
    is_block: bool = False
    has_brackets: bool = False
    """Its first and last character are a pair of brackets whose inside may be missing."""

    @property
    def is_compound(self) -> bool:
        return self.body_start >= 0


@dataclass(frozen=True, slots=True)
class Block:
    """The statements of one block in order; ``start`` and ``end`` are the block's own."""

    start: int
    end: int
    statements: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file."""

    text: str
    language: str
    blocks: tuple[Block, ...]
    units: tuple[Unit, ...]
    comments: tuple[tuple[int, int], ...]
    edges: tuple[int, ...]
    """Where tokens begin or end."""

    @property
    def statements(self) -> tuple[Unit, ...]:
        return tuple(unit for block in self.blocks for unit in block.statements)


def parse(text: str, grammar: str) -> Source:
    """Nodes of ``text`` with offsets in characters; raises `LookupError` for a grammar that is not there."""
    raw = text.encode("utf-8")
    at = character_offsets(text)
    blocks: list[Block] = []
    units: list[Unit] = []
    comments: list[tuple[int, int]] = []
    edges: set[int] = set()
    stack: list[tuple[Any, str]] = [(parser(grammar).parse(raw).root_node, "")]
    while stack:
        node, field = stack.pop()
        start, end = at(node.start_byte), at(node.end_byte)
        if node.is_named and _COMMENT.search(node.type):
            comments.append((start, end))
            continue
        if node.type in BLOCKS and node.is_named:
            block = Block(start, end, tuple(_statement(child, text, at) for child in _inside(node)))
            if block.statements:
                blocks.append(block)
                units.append(Unit(node.type, start, end, is_block=True))
        elif node.is_named and node.child_count:
            brackets = bool(_INSIDES.match(node.type)) and text[start : start + 1] in ("(", "[", "{", "<")
            if brackets or _EXPRESSION.search(node.type) or field in _FIELDS:
                units.append(Unit(node.type, start, end, has_brackets=brackets))
        if not node.child_count and end > start:
            edges.update((start, end))
        if not _STRING.search(node.type):  # never cut a string's inner grammar apart
            stack += [(c, node.field_name_for_child(i) or "") for i, c in enumerate(node.children)]
    return Source(text, grammar, tuple(blocks), tuple(units), tuple(comments), tuple(sorted(edges)))


@cache
def parser(grammar: str) -> Any:
    """Raises `LookupError` for a grammar that is not there."""
    from tree_sitter_language_pack import get_parser

    return get_parser(grammar)


def _inside(block: Any) -> list[Any]:
    """The statements of a block. A list of statements inside braces is a block of its own."""
    return [
        child
        for child in block.children
        if child.is_named and not _COMMENT.search(child.type) and child.type not in BLOCKS
    ]


def _statement(node: Any, text: str, at: Callable[[int], int]) -> Unit:
    """With the semicolon or comma that some grammars leave outside."""
    start, end = at(node.start_byte), at(node.end_byte)
    while end > start and text[end - 1] in "\n ":  # some grammars count the line's end in
        end -= 1
    if text[end : end + 1] and text[end] in _TERMINATORS:
        end += 1
    body = _body(node, _BODY_DEPTH)
    if body is None:
        return Unit(node.type, start, end)
    return Unit(node.type, start, end, at(body.start_byte), at(body.end_byte))


def _body(node: Any, depth: int) -> Any | None:
    """The first block that a statement opens: its own body, or that of what it exports, assigns or passes."""
    for child in node.children:
        if child.type in BLOCKS and child.is_named and child.child_count:
            return child
        if child.is_named and child.child_count and depth and not _STRING.search(child.type):
            found = _body(child, depth - 1)
            if found is not None:
                return found
    return None
