"""StarCoder2.

Format from the StarCoder 2 paper (arXiv:2402.19173), section 5.1: ``<repo_name>NAME``, each file as
``<file_sep>PATH`` newline TEXT; a file with a hole as
``<file_sep><fim_prefix>PATH`` newline ``PREFIX<fim_suffix>SUFFIX<fim_middle>``. The path stands *behind* the
prefix marker, and the only newline added is the one behind a path. Half of the training had neither names nor
paths; a prompt without project context has none either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.domain import Marker, Part, Prompt
from mellum_lsp.prompt.dialects.base import REPOSITORY_NAME, ContextFile, begin_part
from mellum_lsp.prompt.windows import Window

REPOSITORY = Marker("<repo_name>")
FILE = Marker("<file_sep>")
PREFIX = Marker("<fim_prefix>")
SUFFIX = Marker("<fim_suffix>")
MIDDLE = Marker("<fim_middle>")


@dataclass(frozen=True, slots=True)
class StarCoder2:
    name: str = "starcoder2"
    stop_markers: tuple[str, ...] = (
        "<|endoftext|>",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "<fim_pad>",
        "<repo_name>",
        "<file_sep>",
    )
    prefix_last: bool = False
    begin: str = ""

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        head: Prompt
        if context:
            head = (
                Part("begin", "", (REPOSITORY, REPOSITORY_NAME)),
                *(Part("context", file.path, (FILE, f"{file.path}\n{file.text}")) for file in context),
                Part("file", path, (FILE, PREFIX, f"{path}\n")),
            )
        else:
            head = (Part("file", path, (PREFIX,)),)
        return (
            *begin_part(self.begin),
            *head,
            Part("prefix", path, (window.prefix,)),
            Part("suffix", path, (SUFFIX, window.suffix)),
            Part("middle", path, (MIDDLE,)),
        )
