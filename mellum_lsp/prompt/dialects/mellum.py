"""Mellum (4B and Mellum2) and our own `nano-135m`.

Order from the Mellum-4b model card: project context first, each file as ``<filename>PATH`` newline TEXT
newline, then the current file as ``<filename>PATH`` newline
``<fim_suffix>SUFFIX<fim_prefix>PREFIX<fim_middle>``.
Suffix before prefix: a typed character is appended at the very end of the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.domain import Marker, Part, Prompt
from mellum_lsp.prompt.dialects.base import ContextFile, begin_part
from mellum_lsp.prompt.windows import Window

FILENAME = Marker("<filename>")
SUFFIX = Marker("<fim_suffix>")
PREFIX = Marker("<fim_prefix>")
MIDDLE = Marker("<fim_middle>")


@dataclass(frozen=True, slots=True)
class Mellum:
    name: str = "mellum"
    stop_markers: tuple[str, ...] = (
        "<|endoftext|>",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "<fim_pad>",
        "<filename>",
        "<reponame>",
    )
    prefix_last: bool = True
    begin: str = ""

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        return (
            *begin_part(self.begin),
            *(Part("context", file.path, (FILENAME, f"{file.path}\n{file.text}\n")) for file in context),
            Part("file", path, (FILENAME, f"{path}\n")),
            Part("suffix", path, (SUFFIX, window.suffix)),
            Part("prefix", path, (PREFIX, window.prefix)),
            Part("middle", path, (MIDDLE,)),
        )
