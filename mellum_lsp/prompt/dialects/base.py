"""What a dialect is: how a model family wants to be asked for the text at a caret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mellum_lsp.domain import Marker, Part, Prompt
from mellum_lsp.prompt.windows import Window

REPOSITORY_NAME = "project"
"""Stands in formats that want a repository's name; the real one would only cost tokens."""


@dataclass(frozen=True, slots=True)
class ContextFile:
    """A piece of another project file as it will be rendered: its path and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a GGUF says of itself, as far as it decides the dialect.

    ``markers`` are the texts of all control and user-defined tokens; ``metadata`` the string-valued
    key-value pairs (``general.architecture``, ``general.name``, ``tokenizer.ggml.pre`` …).
    """

    markers: frozenset[str]
    metadata: Mapping[str, str]


class Dialect(Protocol):
    """Renders prompts of one model family. Stateless; every method is pure."""

    @property
    def name(self) -> str: ...

    @property
    def stop_markers(self) -> tuple[str, ...]:
        """Control tokens that end a middle."""

    @property
    def prefix_last(self) -> bool:
        """Whether only markers follow the prefix, so that a typed character costs next to nothing.

        Where the suffix follows it, every keystroke evaluates the suffix again.
        """

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        """The prompt; of the context files the most relevant comes last, nearest the prefix.

        The last segment of the part ``prefix`` ends with the text before the caret and has nothing behind
        it. Nothing in front of it depends on it; it is the last `str` segment of the prompt where the prefix
        comes last.
        Every marker is a `Marker`: text that merely spells one stays text.
        """


def begin_part(begin: str) -> tuple[Part, ...]:
    """The begin-of-sequence token as a part; no part where the vocabulary wants none."""
    return (Part("begin", "", (Marker(begin),)),) if begin else ()
