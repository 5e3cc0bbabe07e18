"""Codestral.

Format from mistral-common (`InstructTokenizerV2.encode_fim` and its test): begin token,
``[SUFFIX]SUFFIX[PREFIX] PREFIX``, and the middle follows without a marker. The blank is the one that
sentencepiece puts in front of every text; the suffix is encoded without it. Other files stand in front of the
prefix, each under ``+++++ PATH``, as Continue's template for this model has it. The suffix comes first, so
moving the caret evaluates the context again, but typing does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from mellum_lsp.domain import Marker, Part, Prompt
from mellum_lsp.prompt.dialects.base import ContextFile, begin_part
from mellum_lsp.prompt.windows import Window

SUFFIX = Marker("[SUFFIX]")
PREFIX = Marker("[PREFIX]")


@dataclass(frozen=True, slots=True)
class Codestral:
    name: str = "codestral"
    stop_markers: tuple[str, ...] = ("</s>", "[PREFIX]", "[SUFFIX]", "[MIDDLE]")
    prefix_last: bool = True
    begin: str = "<s>"

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        head = (*begin_part(self.begin), Part("suffix", path, (SUFFIX, window.suffix)))
        if not context:
            return (*head, Part("prefix", path, (PREFIX, f" {window.prefix}")))
        return (
            *head,
            Part("begin", "", (PREFIX,)),
            *(
                Part("context", file.path, (f"{blank}+++++ {file.path}\n{file.text}\n\n",))
                for blank, file in zip(chain((" ",), repeat("")), context, strict=False)
            ),
            Part("file", path, (f"+++++ {path}\n",)),
            Part("prefix", path, (window.prefix,)),
        )
