"""What a user may choose about completions, with defaults that suit two cores and the embedded model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mellum_lsp.completion.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class CompletionSettings:
    """Immutable; `Completer.update_settings` takes a new one at any time.

    ``gate`` is the joint probability that every shown draft must keep: the product of the probabilities of
    its tokens. It trades silence for truth; 0 shows everything. ``thresholds``, where there are any, count in
    its place: they differ by the form of a completion and are calibrated for a model.
    """

    enabled: bool = True
    gate: float = 0.5
    thresholds: Thresholds | None = None
    max_lines: int = 12
    """A draft never has more lines than this."""
    max_tokens: int = 160
    """Hard limit on the tokens of one generation."""
    prefetch: bool = True
    """Whether to generate what follows a suggestion while it is looked at."""
    prefetch_delay_ms: int = 100
    """How long a suggestion must have been shown for that."""
    candidates_deadline_ms: int = 500
    """How long a user who asks explicitly waits for other candidates once the first is there."""
    minimum_characters: int = 4
    """A draft with fewer visible characters is not worth the reader's glance (not when invoked)."""
    context_tokens: int | None = None
    """The longest prompt; None derives it from the measured speed and ``latency_target_ms``."""
    latency_target_ms: int = 300
    retrieval_deadline_ms: int = 40
    """How long a request waits for project context before it goes on without."""
    loading_patience_ms: int = 250
    """How long an automatic request waits for a loading model before it answers with a reason."""
    mid_word: bool = False
    """Whether to complete where an identifier continues behind the caret."""
    suppress_in: tuple[Literal["comment", "string"], ...] = ()
    """Where nothing is offered unless asked for; docstrings count as comments."""
    languages: tuple[str, ...] = ("*",)
    """LSP language identifiers that are served; ``*`` is every language, ``-markdown`` takes one out."""

    def serves(self, language: str) -> bool:
        """Whether documents of ``language`` are completed."""
        if f"-{language}" in self.languages:
            return False
        return "*" in self.languages or language in self.languages
