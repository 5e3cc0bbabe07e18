"""CodeGemma.

Format from the CodeGemma report (arXiv:2406.11409), figure 2: ``PATH`` newline
``<|fim_prefix|>PREFIX<|fim_suffix|>SUFFIX<|fim_middle|>``, files divided by ``<|file_separator|>``. The
model's documentation (ai.google.dev, "CodeGemma formatting") wants no blank between markers and text. The
sequence begins with ``<bos>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.domain import Marker, Part, Prompt
from mellum_lsp.prompt.dialects.base import ContextFile, begin_part
from mellum_lsp.prompt.windows import Window

SEPARATOR = Marker("<|file_separator|>")
PREFIX = Marker("<|fim_prefix|>")
SUFFIX = Marker("<|fim_suffix|>")
MIDDLE = Marker("<|fim_middle|>")


@dataclass(frozen=True, slots=True)
class CodeGemma:
    name: str = "codegemma"
    stop_markers: tuple[str, ...] = (
        "<eos>",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        "<|file_separator|>",
        "<end_of_turn>",
    )
    prefix_last: bool = False
    begin: str = "<bos>"

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        return (
            *begin_part(self.begin),
            *(Part("context", file.path, (f"{file.path}\n{file.text}\n", SEPARATOR)) for file in context),
            Part("file", path, (f"{path}\n",)),
            Part("prefix", path, (PREFIX, window.prefix)),
            Part("suffix", path, (SUFFIX, window.suffix)),
            Part("middle", path, (MIDDLE,)),
        )
