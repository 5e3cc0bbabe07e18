"""Models that never learned to fill holes: they continue the text before the caret.

They are shown no suffix. Other files stand in front as comments, line by line, so that the model takes them
for remarks and goes on with the caret's own file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.domain import Part, Prompt
from mellum_lsp.prompt.dialects.base import ContextFile, begin_part
from mellum_lsp.prompt.dialects.comments import commented
from mellum_lsp.prompt.windows import Window


@dataclass(frozen=True, slots=True)
class Plain:
    name: str = "plain"
    stop_markers: tuple[str, ...] = (
        "<|endoftext|>",
        "<|end_of_text|>",
        "</s>",
        "<eos>",
        "<|im_start|>",
        "<|im_end|>",
        "<|eot_id|>",
        "<end_of_turn>",
    )
    prefix_last: bool = True
    begin: str = ""

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        return (
            *begin_part(self.begin),
            *(
                # Comments in the language of the caret's file, whatever that of the other file is.
                Part("context", file.path, (commented(path, f"{file.path}\n{file.text}") + "\n",))
                for file in context
            ),
            Part("file", path, (commented(path, path),)),
            Part("prefix", path, (window.prefix,)),
        )
