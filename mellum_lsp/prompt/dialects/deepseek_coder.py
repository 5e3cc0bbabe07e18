"""DeepSeek-Coder.

Format from the DeepSeek-Coder README (github.com/deepseek-ai/DeepSeek-Coder), "Code Insertion":
``<｜fim▁begin｜>PREFIX<｜fim▁hole｜>SUFFIX<｜fim▁end｜>``, with U+FF5C and U+2581 in the markers; and
"Repository Level Code Completion": files one behind another, each under its path as a comment. The paper
(arXiv:2401.14196) made holes in whole documents, prefix first; so the other files count as the document's
beginning and stand behind the first marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.domain import Marker, Part, Prompt
from mellum_lsp.prompt.dialects.base import ContextFile, begin_part
from mellum_lsp.prompt.dialects.comments import commented, headed
from mellum_lsp.prompt.windows import Window

PREFIX = Marker("<｜fim▁begin｜>")
SUFFIX = Marker("<｜fim▁hole｜>")
MIDDLE = Marker("<｜fim▁end｜>")


@dataclass(frozen=True, slots=True)
class DeepSeekCoder:
    name: str = "deepseek_coder"
    stop_markers: tuple[str, ...] = (
        "<｜end▁of▁sentence｜>",
        "<｜begin▁of▁sentence｜>",
        "<｜fim▁begin｜>",
        "<｜fim▁hole｜>",
        "<｜fim▁end｜>",
        "<|EOT|>",
    )
    prefix_last: bool = False
    begin: str = "<｜begin▁of▁sentence｜>"

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        return (
            *begin_part(self.begin),
            Part("begin", "", (PREFIX,)),
            *(Part("context", file.path, (headed(file),)) for file in context),
            *((Part("file", path, (commented(path, path),)),) if context else ()),
            Part("prefix", path, (window.prefix,)),
            Part("suffix", path, (SUFFIX, window.suffix)),
            Part("middle", path, (MIDDLE,)),
        )
