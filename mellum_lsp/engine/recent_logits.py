"""What the model said behind texts that it has just read: logits that need not be computed again.

While somebody types a word, the prompt stays the same, for the word is left out of it and only the answer's
spelling changes; and what the model goes on with is mostly what it went on with a key ago. So the logits
behind the latest texts are kept, each under exactly its tokens, and nothing is evaluated until an answer
leaves the paths that are known.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from mellum_lsp.engine.vocabulary import Tokens

CAPACITY_BYTES = 8 * 1024**2
"""Forty texts with a vocabulary of 49,152 tokens."""

Logits = npt.NDArray[np.float32]


class RecentLogits:
    """The logits behind the latest texts, shape (vocabulary,), as many as ``capacity_bytes`` hold.

    They depend on the tokens alone: which document or sequence they were evaluated in makes no difference.
    """

    def __init__(self, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._left = capacity_bytes
        self._rows: OrderedDict[bytes, Logits] = OrderedDict()

    def get(self, text: Tokens) -> Logits | None:
        """What follows ``text``, None where that is not known (any more)."""
        key = text.tobytes()
        logits = self._rows.get(key)
        if logits is not None:
            self._rows.move_to_end(key)
        return logits

    def put(self, text: Tokens, logits: Logits) -> None:
        """Keep a copy of ``logits``; those that were not asked for the longest give way."""
        key = text.tobytes()
        known = self._rows.pop(key, None)
        self._left += known.nbytes if known is not None else 0
        while self._rows and self._left < logits.nbytes:
            self._left += self._rows.popitem(last=False)[1].nbytes
        if logits.nbytes <= self._left:
            self._rows[key] = logits.copy()
            self._left -= logits.nbytes
