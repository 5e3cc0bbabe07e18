"""A file's syntax as a benchmark needs it: statements, pieces of lines, words and what the file defines.

Works alike in every language that has a tree-sitter grammar: nodes are told apart by where they stand and by
what their types are called, never by a list for one language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from mellum_lsp.workspace.languages import Language

_CONTAINER = re.compile(r"^(?:block|body_statement|statements|statement_list|chunk|declarations|then|do)$")
"""Nodes that begin where the first of their statements begins, in some grammars."""
_COMMENT = re.compile(r"comment")
_IMPORT = re.compile(
    r"^import|^package_(?:clause|declaration|header)|^use_declaration|^preproc_include|^using_directive"
    r"|^namespace_use|^future_import"
)
_STRING = re.compile(r"string|template|char(?:acter)?_literal|heredoc|regex")
_NAME = re.compile(r"identifier$|^(?:constant|name|word|alias)$")
_DEFINITION = re.compile(
    r"(?:definition|declaration|_item|_spec|_signature|_signature_item|_alias|_declarator|_elem|_entry"
    r"|object_declaration|enum_constant|^class|^module|^method)$"
)
_NOT_DEFINED_HERE = re.compile(r"import|package|parameter|argument|local_variable|use_|call|reference")
_BODY_FIELDS = ("body",)
_CALLABLE = re.compile(r"func|method|constructor|lambda|arrow|closure|getter|setter|initializer")
_BODY_TYPE = re.compile(r"(?:^block$|_block$|function_body|^statements$|compound_statement)")
_BEHIND_A_STATEMENT = re.compile(r"[ \t]*[;,]?")
_SHORTEST_NAME = 3


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end]``, in characters."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Word:
    """A name where it stands."""

    text: str
    start: int


@dataclass(frozen=True)
class Outline:
    """What a file is made of, in the file's order.

    ``statements`` fill whole lines, with the ``;`` or ``,`` behind them; imports, comments and bare strings
    are none. ``pieces`` are expressions within a line. ``edges`` are where tokens begin. ``words`` are the
    names in code, in no string and no comment.
    """

    text: str
    statements: tuple[Span, ...]
    pieces: tuple[Span, ...]
    edges: tuple[int, ...]
    words: tuple[Word, ...]

    @cached_property
    def word_starts(self) -> dict[int, Word]:
        return {word.start: word for word in self.words}


def outline(text: str, language: Language) -> Outline:
    """The outline of a text in a language that has a grammar. Broken stretches are left out."""
    at = character_offsets(text)
    statements: dict[int, Span] = {}
    pieces: list[Span] = []
    edges: list[int] = []
    words: list[Word] = []
    for node, parent in _nodes(_root(text, language)):
        start, end = at(node.start_byte), at(node.end_byte)
        if start >= end or parent is None:
            continue
        if not node.child_count:
            edges.append(start)
            if _NAME.search(node.type):
                words.append(Word(text[start:end], start))
        if not node.is_named or node.has_error:
            continue
        if not text[text.rfind("\n", 0, start) + 1 : start].strip():
            whole = _BEHIND_A_STATEMENT.match(text, end)
            end_of_all = whole.end() if whole else end
            if start not in statements and _is_statement(node) and _ends_its_line(text, end_of_all):
                statements[start] = Span(start, end_of_all)
        elif node.child_count and "\n" not in text[start:end] and not _STRING.search(node.type):
            pieces.append(Span(start, end))
    return Outline(
        text,
        tuple(statements[start] for start in sorted(statements)),
        tuple(sorted(set(pieces), key=lambda one: (one.start, one.end))),
        tuple(sorted(set(edges))),
        tuple(sorted(words, key=lambda one: one.start)),
    )


def definitions(text: str, language: Language) -> set[str]:
    """Names of the types, functions, members and constants that a text defines, but for locals."""
    at = character_offsets(text)
    names: set[str] = set()
    stack = [_root(text, language)]
    while stack:
        node = stack.pop()
        for name in _names_defined_by(node):
            word = text[at(name.start_byte) : at(name.end_byte)]
            if len(word) >= _SHORTEST_NAME and (word[0].isalpha() or word[0] == "_"):
                names.add(word)
        inner = _bodies(node) if _CALLABLE.search(node.type) else ()
        stack.extend(child for child in node.named_children if child not in inner)
    return names


def has_syntax(language: Language | None) -> bool:
    """Whether a language is code with a grammar: no markup, no data, no prose."""
    return language is not None and language.grammar is not None and language.id not in _NO_CODE


_NO_CODE = {"json", "yaml", "toml", "xml", "html", "css", "scss", "vue", "svelte", "terraform", "hcl"}
_NO_CODE |= {"dockerfile", "makefile", "cmake", "graphql", "proto", "sql", "starlark", "nix", "glsl"}


def _root(text: str, language: Language) -> Any:
    from tree_sitter_language_pack import get_parser

    grammar: Any = language.grammar
    return get_parser(grammar).parse(text.encode("utf-8", "replace")).root_node


def _nodes(root: Any) -> Iterator[tuple[Any, Any]]:
    """Every node of code with its parent, parents first; nothing inside strings, comments and imports."""
    stack: list[tuple[Any, Any]] = [(root, None)]
    while stack:
        node, parent = stack.pop()
        if _COMMENT.search(node.type) or (node.is_named and _IMPORT.search(node.type)):
            continue
        yield node, parent
        if not _STRING.search(node.type):
            stack.extend((child, node) for child in reversed(node.children))


def _is_statement(node: Any) -> bool:
    if _CONTAINER.match(node.type) or _STRING.search(node.type):
        return False
    only = node.named_children[0] if node.named_child_count == 1 else None
    return only is None or not _STRING.search(only.type)  # a docstring is for people


def _ends_its_line(text: str, end: int) -> bool:
    newline = text.find("\n", end)
    return not text[end : newline if newline >= 0 else len(text)].strip()


def _names_defined_by(node: Any) -> list[Any]:
    if node.type == "assignment":  # Python and Ruby: the only definition that is not called one
        left = node.child_by_field_name("left")
        return [left] if left is not None and _NAME.search(left.type) else []
    if not _DEFINITION.search(node.type) or _NOT_DEFINED_HERE.search(node.type):
        return []
    named = node.children_by_field_name("name")
    if not named:  # grammars without fields: the first name among the children
        named = [child for child in node.named_children if _NAME.search(child.type)][:1]
    return [name for name in named if _NAME.search(name.type)]


def _bodies(node: Any) -> list[Any]:
    """Where a callable keeps its locals."""
    found = [body for field in _BODY_FIELDS for body in node.children_by_field_name(field)]
    return found or [child for child in node.named_children if _BODY_TYPE.search(child.type)]


def character_offsets(text: str) -> Callable[[int], int]:
    """From offsets in UTF-8 to offsets in characters."""
    if text.isascii():
        return lambda offset: offset
    lengths = list(accumulate((len(character.encode("utf-8", "replace")) for character in text), initial=0))
    table = [0] * (lengths[-1] + 1)
    for index, (start, end) in enumerate(pairwise(lengths)):
        table[start:end] = [index] * (end - start)
    table[-1] = len(text)
    return table.__getitem__
