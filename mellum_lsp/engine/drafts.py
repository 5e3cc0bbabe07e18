"""How many guessed tokens are evaluated together with the next one: as many as pay on this machine.

Evaluating n tokens at once costs less than n times one token, but not nothing. What a draft is worth follows
from two measured things: the cost of a batch by its size (`batch_costs`) and how often a guess was right by
the length of its match (`Trust`). Where nothing pays, nothing is drafted.
"""

from __future__ import annotations

from mellum_lsp.engine.batch_costs import BatchCosts
from mellum_lsp.engine.lookup import LONGEST_MATCH, NO_GUESS, EarlierAnswers, Lookup
from mellum_lsp.engine.vocabulary import Tokens

LONGEST_DRAFT = 15
"""Tokens; with the one that is known, a batch of 16."""
_LEAST_GAIN = 1.05
"""A draft that promises less is within the error of the measurement."""
_PRIOR = (0.48, 0.58, 0.67, 0.73, 0.82, 0.86, 0.88, 0.88, 0.9, 0.9)
"""How often a guess is right whose match has 2, 3, 4, … tokens, before anything has been seen: about as often
as those of nano-135m at 40 places of a Python project."""
_PRIOR_WEIGHT, _LONGEST_MEMORY = 8.0, 256.0
"""Observations that the prior counts for, and those after which older ones count half."""


class Trust:
    """How often guesses are right by the length of their match: learned from every guess, drafted or not."""

    def __init__(self) -> None:
        self._seen = [_PRIOR_WEIGHT] * (LONGEST_MATCH + 1)
        self._right = [
            _PRIOR[min(max(n - 2, 0), len(_PRIOR) - 1)] * _PRIOR_WEIGHT for n in range(LONGEST_MATCH + 1)
        ]

    def probability(self, matched: int) -> float:
        """That the token behind a match of this many tokens is the guessed one."""
        length = min(matched, LONGEST_MATCH)
        return self._right[length] / self._seen[length]

    def learn(self, matched: int, was_right: bool) -> None:
        length = min(matched, LONGEST_MATCH)
        if self._seen[length] >= _LONGEST_MEMORY:
            self._seen[length] /= 2
            self._right[length] /= 2
        self._seen[length] += 1
        self._right[length] += was_right


class Drafter:
    """Lives as long as the model: what it learns of one answer serves the next. ``costs`` None drafts
    nothing."""

    def __init__(self, costs: BatchCosts | None = None) -> None:
        self.costs = costs
        self.trust = Trust()
        self._earlier = EarlierAnswers()

    def begin(self, prompt: Tokens, caret: int, limit: int, never: frozenset[int]) -> Drafts:
        """The drafts of one answer; see `lookup.Lookup`."""
        return Drafts(self, Lookup(self._earlier, prompt, caret, limit, never))

    def remember(self, drafts: Drafts) -> None:
        """The answer is complete, or nobody wants more of it: later ones may repeat it."""
        self._earlier.add(drafts.lookup.answer())

    def forget(self) -> None:
        """Forget the earlier answers."""
        self._earlier = EarlierAnswers()

    def best_length(self, matched: int, available: int) -> int:
        """The length of the draft with the most tokens a second; 0 where none beats plain decoding.

        Only batches of a measured size are considered: between them the cost goes up and down.
        """
        if self.costs is None:
            return 0
        best, best_rate = 0, _LEAST_GAIN / self.costs.milliseconds(1)
        expected = run = 1.0
        for length in range(1, available + 1):
            run *= self.trust.probability(matched + length - 1)
            expected += run
            rate = expected / self.costs.milliseconds(length + 1)
            if rate > best_rate and length + 1 in self.costs.sizes:
                best, best_rate = length, rate
        return best


class Drafts:
    """The drafts of one answer: `propose` before every batch, `took` after every token."""

    def __init__(self, drafter: Drafter, lookup: Lookup) -> None:
        self.lookup = lookup
        self._drafter = drafter
        self._guess = NO_GUESS
        self._followed = 0

    def propose(self, room: int) -> Tokens:
        """What to evaluate behind the token that was taken last; at most ``room`` tokens."""
        self._guess = self.lookup.guess(min(room, LONGEST_DRAFT)) if room > 0 else NO_GUESS
        self._followed = 0
        length = self._drafter.best_length(self._guess.matched, len(self._guess.tokens))
        return self._guess.tokens[:length]

    def took(self, token: int) -> None:
        """The answer goes on with ``token``, drafted or not: compare, and learn."""
        self.lookup.add(token)
        if self._followed < len(self._guess.tokens):
            was_right = int(self._guess.tokens[self._followed]) == token
            self._drafter.trust.learn(self._guess.matched + self._followed, was_right)
            self._followed += 1
            if not was_right:
                self._guess = NO_GUESS
