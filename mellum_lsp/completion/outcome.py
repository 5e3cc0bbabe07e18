"""What a completion request comes to: items or a reason, and everything that explains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mellum_lsp.domain import PartKind, ScoredChunk

Source = Literal["", "cache", "prefetch", "stream", "micro", "full"]
"""Where an answer came from: an earlier generation (``cache``) or one that was made before anybody asked
(``prefetch``), a running one that was joined (``stream``), or the model itself, which was shown a few lines
(``micro``) or the full plan (``full``). Empty where the model had no part in it."""


@dataclass(frozen=True, slots=True)
class Item:
    """Text to put at the caret in place of the ``replace_after`` characters behind it.

    Those characters are closers on the caret's own line, and ``text`` holds them again: applying an item
    never loses text. Line endings are ``\\n``, offsets count characters. ``id`` names the suggestion in
    feedback; ``confidence`` is the joint probability of its tokens, ``form`` the value of its `Form`.
    """

    id: str
    text: str
    replace_after: int = 0
    confidence: float = 0.0
    form: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds. ``total_ms`` is what the caller waited; prefill and decode are 0 for a cached answer."""

    total_ms: float = 0.0
    retrieval_ms: float = 0.0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens of the prompt, of it reused from the KV cache and evaluated now, and tokens generated."""

    prompt: int = 0
    reused: int = 0
    evaluated: int = 0
    generated: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one request, best item first: ``items`` is empty exactly where ``reason`` says why.

    ``confidence`` is the joint probability of the best item's tokens, from 0 to 1 (0 where nothing is shown);
    ``chunks`` the project context that the prompt held; the rest tells of the generation of the best item.
    """

    items: tuple[Item, ...]
    reason: str
    model: str = ""
    timings: Timings = Timings()
    tokens: TokenCounts = TokenCounts()
    confidence: float = 0.0
    chunks: tuple[ScoredChunk, ...] = ()
    source: Source = ""

    def __post_init__(self) -> None:
        if bool(self.items) == bool(self.reason):
            raise ValueError(f"an outcome has either items or a reason: {self.items!r}, {self.reason!r}")

    @property
    def cached(self) -> bool:
        """Whether no model was asked."""
        return self.source in ("cache", "prefetch")

    @property
    def text(self) -> str:
        """The best item's text, or nothing."""
        return self.items[0].text if self.items else ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way from the model's text to the item: the text before and after ``rule``."""

    rule: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ExplainedPart:
    """A part of the prompt and how many tokens it took."""

    kind: PartKind
    path: str
    tokens: int


@dataclass(frozen=True, slots=True)
class GateReport:
    """The joint probability of the longest sure run, of the first token where there is none, and the bar."""

    probability: float = 0.0
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one completion came about; every field is always there, also where nothing would be shown.

    ``prompt`` is the text exactly as evaluated, control tokens spelled out; ``text`` what would be shown.
    """

    prompt: str = ""
    parts: tuple[ExplainedPart, ...] = ()
    tokens: TokenCounts = TokenCounts()
    chunks: tuple[ScoredChunk, ...] = ()
    steps: tuple[Step, ...] = ()
    gate: GateReport = GateReport()
    text: str = ""
    reason: str = ""
    timings: Timings = Timings()
    model: str = ""
    source: Source = ""
