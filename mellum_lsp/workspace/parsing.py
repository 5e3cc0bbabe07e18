"""Parses a text with its language's tree-sitter grammar, for a bounded time."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from mellum_lsp.workspace.languages import Language

_READ_BYTES = 8192


def parse(text: str, language: Language | None, seconds: float) -> Any | None:
    """The root node of a text whose line ending is ``\\n``; never raises on broken text.

    None where there is no grammar, where parsing takes longer than ``seconds``, and where more than half of
    the text is broken: what a tree says of such a text helps nobody.
    """
    if language is None or language.grammar is None:
        return None
    root = _parse(text, language.grammar, seconds)
    return None if root is None or _mostly_broken(root) else root


@cache
def _parser(grammar: str) -> Any:
    from tree_sitter_language_pack import get_parser

    return get_parser(grammar)


def _parse(text: str, grammar: str, seconds: float) -> Any | None:
    try:
        parser = _parser(grammar)
    except (LookupError, ImportError):
        return None
    source = text.encode("utf-8", "replace")
    deadline = time.monotonic() + seconds
    late = False

    def read(offset: int, _point: object) -> bytes:
        nonlocal late
        late = late or time.monotonic() > deadline
        return b"" if late else source[offset : offset + _READ_BYTES]

    tree = parser.parse(read)
    return None if late or tree is None else tree.root_node


def _mostly_broken(root: Any) -> bool:
    if not root.has_error:
        return False
    if root.is_error:
        return True
    broken = sum(child.end_byte - child.start_byte for child in root.children if child.is_error)
    return bool(broken * 2 > root.end_byte - root.start_byte)
