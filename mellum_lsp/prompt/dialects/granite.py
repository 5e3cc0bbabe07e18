"""Granite (Granite Code, Granite 3, with other brackets Granite 4) and families that fill holes alike.

The Granite Code paper (arXiv:2405.04324) took StarCoder's tokenizer and its format (arXiv:2305.06161):
``<fim_prefix>PREFIX<fim_suffix>SUFFIX<fim_middle>``; Granite 4 spells the markers ``<|fim_prefix|>`` … How
either was shown several files is not published, so other files stand in front of the prefix under their paths
as comments, which makes the prompt one ordinary file. The same serves StarCoder 1 and Refact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mellum_lsp.domain import Marker, Part, Prompt
from mellum_lsp.prompt.dialects.base import ContextFile, begin_part
from mellum_lsp.prompt.dialects.comments import commented, headed
from mellum_lsp.prompt.windows import Window

_SPELLINGS = {"<": ">", "<|": "|>"}


@dataclass(frozen=True, slots=True)
class Granite:
    """``opening`` is how markers begin: ``<`` up to Granite 3, ``<|`` in Granite 4."""

    name: str = "granite"
    stop_markers: tuple[str, ...] = (
        "<|endoftext|>",
        "<|end_of_text|>",
        *(
            f"{opening}{name}{closing}"
            for opening, closing in _SPELLINGS.items()
            for name in ("fim_prefix", "fim_suffix", "fim_middle", "fim_pad", "filename", "reponame")
        ),
    )
    prefix_last: bool = False
    begin: str = ""
    opening: str = "<"

    def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
        return (
            *begin_part(self.begin),
            Part("begin", "", (self._marker("fim_prefix"),)),
            *(Part("context", file.path, (headed(file),)) for file in context),
            *((Part("file", path, (commented(path, path),)),) if context else ()),
            Part("prefix", path, (window.prefix,)),
            Part("suffix", path, (self._marker("fim_suffix"), window.suffix)),
            Part("middle", path, (self._marker("fim_middle"),)),
        )

    def _marker(self, name: str) -> Marker:
        return Marker(f"{self.opening}{name}{_SPELLINGS[self.opening]}")
