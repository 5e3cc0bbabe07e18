"""Qwen2.5-Coder and Qwen3-Coder.

Format from the Qwen2.5-Coder technical report (arXiv:2409.12186), figures 3 and 4: a file is
``<|fim_prefix|>PREFIX<|fim_suffix|>SUFFIX<|fim_middle|>``; with other files of the repository in front,
``<|repo_name|>NAME`` newline, each file as ``<|file_sep|>PATH`` newline TEXT newline, and the current one as
``<|file_sep|>PATH`` newline and the file format. llama.cpp renders the same (`format_prompt_infill` of its
server). The report knows the prefix first only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.domain import Marker, Part, Prompt
from mellum_lsp.prompt.dialects.base import REPOSITORY_NAME, ContextFile, begin_part
from mellum_lsp.prompt.windows import Window

REPOSITORY = Marker("<|repo_name|>")
FILE = Marker("<|file_sep|>")
PREFIX = Marker("<|fim_prefix|>")
SUFFIX = Marker("<|fim_suffix|>")
MIDDLE = Marker("<|fim_middle|>")


@dataclass(frozen=True, slots=True)
class Qwen:
    name: str = "qwen"
    stop_markers: tuple[str, ...] = (
        "<|endoftext|>",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        "<|fim_pad|>",
        "<|repo_name|>",
        "<|file_sep|>",
        "<|im_start|>",
        "<|im_end|>",
    )
    prefix_last: bool = False
    begin: str = ""

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        repository: Prompt = ()
        if context:
            repository = (
                Part("begin", "", (REPOSITORY, f"{REPOSITORY_NAME}\n")),
                *(Part("context", file.path, (FILE, f"{file.path}\n{file.text}\n")) for file in context),
                Part("file", path, (FILE, f"{path}\n")),
            )
        return (
            *begin_part(self.begin),
            *repository,
            Part("prefix", path, (PREFIX, window.prefix)),
            Part("suffix", path, (SUFFIX, window.suffix)),
            Part("middle", path, (MIDDLE,)),
        )
