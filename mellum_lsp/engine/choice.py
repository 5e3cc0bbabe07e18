"""Which token follows, from the logits of the vocabulary: greedily, k-th best, or bound to a spelling.

Every choice comes with its exact probability at temperature 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mellum_lsp.engine.interface import RequestInvalid, Token
from mellum_lsp.engine.messages import Generate
from mellum_lsp.engine.vocabulary import Pieces, Vocabulary

Logits = npt.NDArray[np.float32]


class Chooser:
    """Chooses from logits of one vocabulary; its buffers spare an allocation of 200 kB a token."""

    def __init__(self, vocabulary_size: int):
        self._weights = np.empty(vocabulary_size, np.float32)

    def most_likely(self, logits: Logits) -> tuple[int, float]:
        """The token with the largest logit and its probability."""
        token = int(logits.argmax())
        # Softmax of the maximum: exp(0) over the sum of all. numpy sums pairwise, so float32 is exact enough.
        np.subtract(logits, logits[token], out=self._weights)
        np.exp(self._weights, out=self._weights)
        return token, 1.0 / float(self._weights.sum())

    def runner_up(self, logits: Logits, rank: int, ends: frozenset[int]) -> tuple[int, float]:
        """The ``rank``-th most likely token (from 1) behind the most likely one, ``ends`` not counted.

        Raises `RequestInvalid` where the vocabulary is that small.
        """
        best = int(logits.argmax())
        wanted = min(rank + len(ends) + 1, len(logits))
        likely = np.argpartition(-logits, wanted - 1)[:wanted]
        likely = likely[np.argsort(-logits[likely], kind="stable")]
        others = [int(token) for token in likely if token != best and token not in ends]
        if len(others) < rank:
            raise RequestInvalid(
                f"this vocabulary has no candidate of rank {rank}\nhint: ask for fewer candidates"
            )
        token = others[rank - 1]
        np.subtract(logits, logits[best], out=self._weights)
        np.exp(self._weights, out=self._weights)
        return token, float(self._weights[token] / self._weights.sum())


class Answer:
    """The tokens of one request, chosen one after the other: `choose`, and `take` unless that was an end."""

    def __init__(self, vocabulary: Vocabulary, chooser: Chooser, ends: frozenset[int], request: Generate):
        self.joint_probability = 1.0
        self._vocabulary = vocabulary
        self._chooser = chooser
        self._ends = ends
        self._rank = request.first_token_rank
        typed = request.must_begin_with
        self._spelling = Spelling(vocabulary.pieces, typed) if typed else None
        self._token, self._probability = -1, 1.0
        self._unseen_probability = 1.0

    def choose(self, logits: Logits) -> int:
        """The next token. Raises `RequestInvalid` where the vocabulary has none that the request allows."""
        if self._spelling:
            self._token, self._probability = self._spelling.choose(logits, self._rank)
        elif self._rank:
            self._token, self._probability = self._chooser.runner_up(logits, self._rank, self._ends)
        else:
            self._token, self._probability = self._chooser.most_likely(logits)
        self._rank = 0
        return self._token

    def take(self) -> Token | None:
        """The chosen token as the user sees it; None where it lies within what was typed."""
        self.joint_probability *= self._probability
        probability = self._unseen_probability * self._probability
        piece = self._vocabulary.piece(self._token)
        if self._spelling:
            piece = self._spelling.take(piece)
            if self._spelling.is_done:
                self._spelling = None
            if not piece:
                self._unseen_probability = probability
                return None
        self._unseen_probability = 1.0
        return Token(self._token, piece, probability)


class Spelling:
    """Holds an answer to a text that it must begin with, byte by byte: token healing.

    The rest of the text admits the tokens that begin with it and those that it begins with. Their
    probabilities are renormalised at every step: what the user typed is given.
    """

    def __init__(self, pieces: Pieces, text: str):
        self._pieces = pieces
        self.rest = text.encode(errors="replace")

    @property
    def is_done(self) -> bool:
        return not self.rest

    def choose(self, logits: Logits, rank: int = 0) -> tuple[int, float]:
        """The most likely token that agrees, or the ``rank``-th behind it, and its renormalised
        probability. Raises `RequestInvalid` where there is none."""
        agreeing = self._pieces.agreeing_with(self.rest)
        if len(agreeing) <= rank:
            raise RequestInvalid(
                f"no token of this vocabulary spells the beginning of {self.rest!r}\nhint: heal less text"
            )
        some = logits[agreeing]
        best = int(np.argsort(-some, kind="stable")[rank]) if rank else int(some.argmax())
        weights = np.exp(some - some.max())
        return int(agreeing[best]), float(weights[best] / weights.sum())

    def take(self, piece: bytes) -> bytes:
        """Note that a token was taken; returns what of its bytes goes beyond the text."""
        spelled = len(self.rest)
        self.rest = self.rest[len(piece) :]
        return piece[spelled:]
