"""Prompt lookup: what follows now is guessed to be what followed the same tokens before.

The places looked at are the prompt, project chunks included, what has been generated of this answer, and
earlier answers. Algorithm: Saxena, "Prompt Lookup Decoding" (2023), with the longest match instead of a fixed
one, since how long the match is says how far the guess can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mellum_lsp.engine.vocabulary import Tokens

SHORTEST_MATCH = 2
LONGEST_MATCH = 16
"""Tokens. Longer matches say no more."""

_BREAK = np.array([-1], np.int32)
"""Between texts: no token, so that nothing is guessed across it."""
_NOTHING = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Guess:
    """Tokens that may follow, and how many tokens in front of them matched."""

    tokens: Tokens
    matched: int


NO_GUESS = Guess(_NOTHING, 0)


class EarlierAnswers:
    """The latest answers, as many as ``capacity`` tokens hold, each with the tokens in front of it."""

    def __init__(self, capacity: int = 8192) -> None:
        self.tokens: Tokens = _NOTHING
        self._capacity = capacity

    def add(self, answer: Tokens) -> None:
        """Remember an answer; the oldest are forgotten."""
        self.tokens = np.concatenate([self.tokens, answer, _BREAK])[-self._capacity :]


class Lookup:
    """Searches for one answer of up to ``limit`` tokens, from its beginning on.

    ``caret`` is where in the prompt the text ends that the answer continues: not the prompt's end, where
    markers stand and in some dialects the suffix. Tokens in ``never`` are not guessed, nor what is behind
    them.
    """

    def __init__(
        self, earlier: EarlierAnswers, prompt: Tokens, caret: int, limit: int, never: frozenset[int]
    ) -> None:
        before_caret = prompt[max(0, caret - LONGEST_MATCH) : caret]
        self._text = np.concatenate([earlier.tokens, prompt, _BREAK, before_caret, np.zeros(limit, np.int32)])
        self._end = len(self._text) - limit
        self._begin = self._end - len(before_caret)
        self._never = np.array([*never, *_BREAK], np.int32)

    def add(self, token: int) -> None:
        """The answer goes on with ``token``."""
        self._text[self._end] = token
        self._end += 1

    def answer(self) -> Tokens:
        """What was generated so far, with the tokens in front of it."""
        return self._text[self._begin : self._end]

    def guess(self, length: int) -> Guess:
        """Up to ``length`` tokens that followed the latest of the longest matches."""
        place, matched = self._longest_match()
        if not matched:
            return NO_GUESS
        # What reaches up to the end repeats itself: the answer has begun to run in a circle.
        followed = self._text[place : self._end]
        tokens = followed[:length] if len(followed) >= length else np.resize(followed, length)
        stops = np.flatnonzero(np.isin(tokens, self._never))
        return Guess(tokens[: stops[0]] if len(stops) else tokens, matched)

    def _longest_match(self) -> tuple[int, int]:
        """Behind which place the longest match ends, the latest of them, and how long it is; 0 where there is
        none.

        A place that nothing may be guessed from is none: the caret's own in the prompt, for one.
        """
        text, end = self._text, self._end
        if end - self._begin < SHORTEST_MATCH:
            return 0, 0
        same = (text[1 : end - 1] == text[end - 1]) & (text[: end - 2] == text[end - 2])
        places = np.flatnonzero(same) + SHORTEST_MATCH
        places = places[~np.isin(text[places], self._never)]
        if not len(places):
            return 0, 0
        matched = SHORTEST_MATCH
        for length in range(SHORTEST_MATCH + 1, min(LONGEST_MATCH, end - self._begin) + 1):
            longer = places[places >= length]
            longer = longer[text[longer - length] == text[end - length]]
            if not len(longer):
                break
            places, matched = longer, length
        return int(places[-1]), matched
