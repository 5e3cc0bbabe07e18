"""The decode loop: reuse what is cached, evaluate the rest of the prompt, then greedily token by token.

Guessed tokens (`drafts`) are evaluated together with the one that is known. Each is checked against the
model's own choice in front of it and taken only where it is the same, so a guess costs or saves time and
changes nothing else: ids and probabilities are those of the same batches evaluated without guessing. Batches
of another size round differently, which decides near ties otherwise (2 to 4% of all positions on a quantised
model).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.choice import Answer, Chooser
from mellum_lsp.engine.context import Context, Evaluation
from mellum_lsp.engine.drafts import Drafter
from mellum_lsp.engine.interface import EngineError, GenerationStats, RequestInvalid, Token
from mellum_lsp.engine.messages import Generate
from mellum_lsp.engine.slots import Slot, Slots
from mellum_lsp.engine.speeds import Speeds
from mellum_lsp.engine.vocabulary import Tokens, Vocabulary, prompt_tokens

Emit = Callable[[Token], None]


class Aborted(Exception):  # noqa: N818 - not an error
    """The abort flag was seen; everything evaluated before it is in the cache."""


@dataclass(slots=True)
class Decoder:
    """Serves one request at a time. Whoever calls `run` clears the abort flag before and may set it
    meanwhile."""

    vocabulary: Vocabulary
    context: Context
    slots: Slots
    abort: AbortFlag
    speeds: Speeds
    drafter: Drafter
    micro_batch_tokens: int
    """How much of a prompt is evaluated at once: between two of these, an abort is always seen."""
    chooser: Chooser = field(init=False)

    def __post_init__(self) -> None:
        self.chooser = Chooser(self.vocabulary.size)
        _ = self.vocabulary.pieces  # sorted now rather than while somebody waits for the first word

    def run(
        self,
        request: Generate,
        emit: Emit,
        on_prefilled: Callable[[GenerationStats], None] = lambda stats: None,
    ) -> GenerationStats:
        """Serve the request; ``emit`` gets every token as soon as it is known, ``on_prefilled`` what is known
        of the prompt once that is evaluated.

        Raises `RequestInvalid` for what cannot be served, `EngineError` where llama.cpp fails.
        """
        stats = GenerationStats()
        began = time.perf_counter()
        prompt, stats.part_tokens = prompt_tokens(self.vocabulary, request.parts)
        stats.prompt_tokens = len(prompt)
        limit = self._token_limit(request, len(prompt))
        slot = self.slots.prepare(request.document, prompt)
        stats.reused_tokens = len(slot.tokens)
        prefilled = began
        try:
            self._prefill(slot, prompt, stats, outputs=min(1, limit))
            prefilled = time.perf_counter()
            stats.prefill_ms = (prefilled - began) * 1e3
            self.speeds.observe_prefill(stats.evaluated_tokens, prefilled - began)
            on_prefilled(replace(stats))
            stats.stop = self._decode(slot, request, prompt, limit, stats, emit) if limit else "length"
        except Aborted:
            self.slots.recheck(slot)
            stats.stop = "aborted"
        except EngineError:
            self.slots.forget(slot)
            raise
        ended = time.perf_counter()
        if prefilled == began:  # aborted in prefill
            prefilled = ended
            stats.prefill_ms = (ended - began) * 1e3
        stats.decode_ms = (ended - prefilled) * 1e3
        # The first token comes out of the prefill.
        self.speeds.observe_decode(stats.generated_tokens - 1, ended - prefilled)
        return stats

    def _stop_tokens(self, markers: list[str]) -> frozenset[int]:
        """Markers that this vocabulary lacks cannot be generated, so they are left out."""
        tokens = (self.vocabulary.marker(marker) for marker in markers)
        return self.vocabulary.ends.union(token for token in tokens if token is not None)

    def _token_limit(self, request: Generate, prompt: int) -> int:
        room = self.context.context_tokens - prompt
        if prompt == 0:
            raise RequestInvalid("the prompt is empty\nhint: a prompt has at least one token")
        if room < min(1, request.max_tokens):
            raise RequestInvalid(
                f"the prompt has {prompt:,} tokens, but the context holds {self.context.context_tokens:,} "
                "with the answer\nhint: plan a shorter prompt or raise contextTokens"
            )
        return min(request.max_tokens, room)

    def _prefill(self, slot: Slot, prompt: Tokens, stats: GenerationStats, outputs: int) -> None:
        step = self.micro_batch_tokens
        for start in range(len(slot.tokens), len(prompt), step):
            batch = prompt[start : start + step]
            self._evaluate(slot, batch, outputs if start + step >= len(prompt) else 0)
            stats.evaluated_tokens += len(batch)

    def _decode(
        self,
        slot: Slot,
        request: Generate,
        prompt: Tokens,
        limit: int,
        stats: GenerationStats,
        emit: Emit,
    ) -> str:
        """Generate up to ``limit`` tokens, of which the last is not evaluated; returns why it stopped."""
        stop_tokens = self._stop_tokens(request.stop_markers)
        answer = Answer(self.vocabulary, self.chooser, stop_tokens, request)
        caret = sum(stats.part_tokens[: request.caret_part + 1])
        drafts = self.drafter.begin(prompt, caret or len(prompt), limit, stop_tokens)
        draft = drafts.propose(0)
        try:
            while True:
                evaluated = len(slot.tokens) - len(draft)
                for row, logits in enumerate(self.context.logits()):
                    if self.abort.is_set:
                        raise Aborted
                    token = answer.choose(logits)
                    if token in stop_tokens:
                        return "end"
                    stats.generated_tokens += 1
                    drafts.took(token)
                    if shown := answer.take():
                        emit(shown)
                    if answer.joint_probability < request.min_joint_probability:
                        return "probability"
                    if stats.generated_tokens == limit:
                        return "length"
                    if row == len(draft) or token != draft[row]:
                        break
                    evaluated += 1
                    stats.accepted_tokens += 1
                self.slots.cut(slot, evaluated)
                draft = drafts.propose(limit - stats.generated_tokens - 1)
                stats.drafted_tokens += len(draft)
                self._evaluate(slot, np.array([token, *draft], np.int32), 1 + len(draft))
        finally:
            self.drafter.remember(drafts)

    def _evaluate(self, slot: Slot, tokens: Tokens, outputs: int) -> None:
        if self.abort.is_set:
            raise Aborted
        position = len(slot.tokens)
        result = self.context.evaluate(slot.sequence, tokens, position, outputs=outputs)
        if result is Evaluation.ABORTED:
            raise Aborted
        if result is Evaluation.NO_ROOM:
            raise EngineError(
                f"no room for {len(tokens)} more tokens in a context of {self.context.context_tokens:,}\n"
                "hint: report this as a bug"
            )
        self.slots.extend(slot, tokens)
