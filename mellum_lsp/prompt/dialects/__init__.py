"""The dialects by name, and the choice of one for a model.

A model is asked what it is, never its file name: the markers of its vocabulary say which formats it can have
learned, and where two families share their markers the GGUF's own metadata decides.
"""

from __future__ import annotations

from mellum_lsp.prompt.dialects.base import ContextFile, Dialect, Vocabulary
from mellum_lsp.prompt.dialects.mellum import Mellum

__all__ = ["ContextFile", "Dialect", "Vocabulary", "by_name", "choose"]


def by_name(name: str) -> Dialect:
    """The dialect called ``name``; raises `KeyError` with the known names."""
    if name != "mellum":
        raise KeyError(f"unknown dialect {name!r}; known: mellum")
    return Mellum()


def choose(vocabulary: Vocabulary) -> Dialect:
    """The dialect that a model with this vocabulary and metadata speaks."""
    return Mellum()
