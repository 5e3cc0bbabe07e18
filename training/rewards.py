"""How good an answer to a hole is, as far as a program can verify it: 0 to 1, without a model.

Right text counts most; then that it ended by itself, that the file still parses, that it is about as long as
what stood there. Stubs are worth little: they parse and end, and help nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from mellum_lsp.workspace.languages import find_language
from training.fim import Rendered
from training.syntax import parser
from training.tokens import Tokeniser

_STUB = re.compile(
    r"\bNotImplementedError\b|\bTODO\b|\bFIXME\b|^\s*(pass|\.\.\.)\s*$|unimplemented!|todo!", re.M
)
_SHARES = {"similarity": 0.5, "ends": 0.2, "parses": 0.2, "length": 0.1}
_STUB_FACTOR = 0.3


@dataclass(frozen=True)
class Judged:
    """``similarity`` and ``length`` from 0 to 1, the others yes or no."""

    similarity: float
    ends: bool
    parses: bool
    length: float
    stub: bool

    @property
    def reward(self) -> float:
        whole = sum(share * float(getattr(self, name)) for name, share in _SHARES.items())
        return whole * (_STUB_FACTOR if self.stub else 1.0)


def judge(before: str, after: str, grammar: str, truth: str, said: str, ended: bool) -> Judged:
    """``before`` + ``truth`` + ``after`` is the file as it was."""
    longer, shorter = max(len(said), len(truth), 1), min(len(said), len(truth))
    return Judged(
        similarity=Levenshtein.normalized_similarity(said.rstrip(), truth.rstrip()),
        ends=ended,
        parses=errors(before + said + after, grammar) <= errors(before + truth + after, grammar),
        length=1.0 if said == truth else shorter / longer,
        stub=bool(_STUB.search(said)) and not _STUB.search(truth),
    )


def judge_answer(tokeniser: Tokeniser, hole: Rendered, said: list[int], ended: bool) -> Judged:
    """What the model said to a rendered hole, in tokens without the end of text."""
    text, at = hole.document.text, hole.hole
    language = find_language(hole.document.path)
    closers = len(hole.middle) - (at.end - at.start)  # the middle holds the closers behind the hole
    grammar = language.grammar if language and language.grammar else "python"
    before, after = text[: at.start], text[at.end + closers :]
    return judge(before, after, grammar, hole.middle, tokeniser.decode(said), ended)


def errors(text: str, grammar: str) -> int:
    """How many places of a text its grammar cannot make sense of, or misses something in."""
    root = parser(grammar).parse(text.encode("utf-8", "replace")).root_node
    if not root.has_error:
        return 0
    found, stack = 0, [root]
    while stack:
        node = stack.pop()
        found += node.is_error or node.is_missing
        stack += [child for child in node.children if child.has_error or child.is_missing]
    return found
