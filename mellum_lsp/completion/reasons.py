"""Why nothing is shown: a closed set of reasons, each with a short text for logs and a sentence for people.

``str(reason)`` is what outcomes, status, log and `mellum/explain` carry: ``gated p=0.43``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Silence(Enum):
    """Every kind of silence: the short text, and a sentence that says what it means and what can be done."""

    SUPERSEDED = "superseded", "A newer request for the same document took this one's place."
    GATED = "gated", "The model was not sure enough; a lower `gate` shows more and is wrong more often."
    EMPTY = "empty", "The model had nothing to add here."
    TOO_SHORT = "too short", "The draft was too short to be worth a glance."
    REPETITION = "repetition", "The draft repeated itself."
    DUPLICATES_SUFFIX = "duplicates suffix", "The draft only repeated what already follows the caret."
    REWRITES_LINE_ABOVE = "rewrites line above", "The draft only repeated the line above the caret."
    BROKEN_TEXT = "broken text", "The model produced control tokens or bytes that are no text."
    STUB = "stub", "The draft was only a placeholder (`pass`, `TODO`, …), and this file has none of its kind."
    SECRET = (
        "invented secret",
        "The draft held what looks like a key or password, and it was not this file's.",
    )
    BREAKS_SYNTAX = "breaks syntax", "No beginning of the draft fits the code around the caret."
    MID_WORD = "mid-word", "A word continues right behind the caret; invoke the completion to get one."
    IN_COMMENT = (
        "in a comment",
        "The setting `suppressIn` keeps comments free; invoked, a completion comes.",
    )
    IN_STRING = (
        "in a string",
        "The setting `suppressIn` keeps strings free; invoked, a completion comes.",
    )
    DISMISSED_BEFORE = "dismissed before", "The same suggestion was dismissed here a moment ago."
    EXCLUDED_FILE = "excluded file", "This file is ignored by the project or may hold secrets."
    DISABLED = "disabled", "Completions are switched off in the settings."
    DISABLED_LANGUAGE = "disabled language", "The setting `languages` takes this language out."
    MODEL_LOADING = "model loading", "The model is still loading; the next request may already be served."
    ENGINE_FAILED = "engine failed", "The engine could not serve the request; the log and `doctor` say more."
    INLINE_IN_USE = (
        "inline completion in use",
        "This client shows inline completions, so its list stays free.",
    )
    POPUP_ELSEWHERE = (
        "popup elsewhere",
        "The editor's popup has text selected that would not come to the caret's place.",
    )
    DOCUMENT_CLOSED = "document closed", "The document is not open, or was closed meanwhile."
    OUT_OF_STEP = (
        "out of step",
        "A change of the document could not be read; its whole text, or opening it again, mends that.",
    )
    SHUTTING_DOWN = "shutting down", "The server is ending."
    BUG = "internal error", "A bug: please report what the log says."

    def __init__(self, short: str, sentence: str) -> None:
        self.short = short
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Reason:
    """One silence: its kind and, where the kind has one, its parameter in a few words."""

    kind: Silence
    detail: str = ""

    def __str__(self) -> str:
        if not self.detail:
            return self.kind.short
        return f"{self.kind.short}{' ' if self.kind is Silence.GATED else ': '}{self.detail}"

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        return self.kind.sentence


SUPERSEDED = Reason(Silence.SUPERSEDED)
EMPTY = Reason(Silence.EMPTY)
TOO_SHORT = Reason(Silence.TOO_SHORT)
REPETITION = Reason(Silence.REPETITION)
DUPLICATES_SUFFIX = Reason(Silence.DUPLICATES_SUFFIX)
REWRITES_LINE_ABOVE = Reason(Silence.REWRITES_LINE_ABOVE)
BROKEN_TEXT = Reason(Silence.BROKEN_TEXT)
STUB = Reason(Silence.STUB)
SECRET = Reason(Silence.SECRET)
BREAKS_SYNTAX = Reason(Silence.BREAKS_SYNTAX)
MID_WORD = Reason(Silence.MID_WORD)
IN_COMMENT = Reason(Silence.IN_COMMENT)
IN_STRING = Reason(Silence.IN_STRING)
DISMISSED_BEFORE = Reason(Silence.DISMISSED_BEFORE)
EXCLUDED_FILE = Reason(Silence.EXCLUDED_FILE)
DISABLED = Reason(Silence.DISABLED)
MODEL_LOADING = Reason(Silence.MODEL_LOADING)
INLINE_IN_USE = Reason(Silence.INLINE_IN_USE)
POPUP_ELSEWHERE = Reason(Silence.POPUP_ELSEWHERE)
DOCUMENT_CLOSED = Reason(Silence.DOCUMENT_CLOSED)
OUT_OF_STEP = Reason(Silence.OUT_OF_STEP)
SHUTTING_DOWN = Reason(Silence.SHUTTING_DOWN)
BUG = Reason(Silence.BUG)


def gated(probability: float) -> Reason:
    """No run of tokens at the draft's start was sure enough to be shown."""
    return Reason(Silence.GATED, f"p={probability:.2f}")


def disabled_language(language: str) -> Reason:
    return Reason(Silence.DISABLED_LANGUAGE, language)


def engine_failed(message: str) -> Reason:
    """``message`` is the error's first line."""
    return Reason(Silence.ENGINE_FAILED, message.strip().split("\n", 1)[0])


_REFUSALS = {
    Silence.REPETITION,
    Silence.DUPLICATES_SUFFIX,
    Silence.REWRITES_LINE_ABOVE,
    Silence.BROKEN_TEXT,
    Silence.SECRET,
}


def is_refusal(text: str) -> bool:
    """Whether the model did say something, which no caret deserves: it may have had second thoughts."""
    return kind_of(text) in _REFUSALS


def kind_of(text: str) -> Silence | None:
    """The kind of a reason's text, for counting; None where the text is no reason."""
    matches = [
        kind
        for kind in Silence
        if text == kind.short or text.startswith((f"{kind.short} p=", f"{kind.short}: "))
    ]
    return max(matches, key=lambda kind: len(kind.short), default=None)
