"""What a dialect is: how a model family wants to be asked for the text at a caret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mellum_lsp.domain import Prompt
from mellum_lsp.prompt.windows import Window


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
        """The prompt: context first (most relevant last), then the caret's own file.

        The text before the caret is a segment by itself, the last one of the part ``prefix``. Nothing in
        front of it depends on it; it is the last `str` segment of the prompt where the prefix comes last.
        """
