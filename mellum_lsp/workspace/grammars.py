"""The tree-sitter grammars of the languages, each loaded when it is first asked for."""

from __future__ import annotations

from functools import cache
from typing import Any

from mellum_lsp.workspace.languages import language_by_id


@cache
def grammar_of(language: str) -> Any | None:
    """The `tree_sitter.Language` for an LSP language identifier; None where there is none."""
    known = language_by_id(language)
    if known is None or known.grammar is None:
        return None
    from tree_sitter_language_pack import get_language

    try:
        return get_language(known.grammar)
    except LookupError:
        return None
