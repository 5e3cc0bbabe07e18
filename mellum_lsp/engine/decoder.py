"""The decode loop: reuse what is cached, evaluate the rest of the prompt, then greedily token by token."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.choice import Answer, Chooser
from mellum_lsp.engine.context import Context, Evaluation
from mellum_lsp.engine.interface import EngineError, GenerationStats, RequestInvalid, Token
from mellum_lsp.engine.messages import Generate
from mellum_lsp.engine.slots import Slot, Slots
from mellum_lsp.engine.speeds import Speeds
from mellum_lsp.engine.vocabulary import Tokens, Vocabulary, prompt_tokens


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
    chooser: Chooser = field(init=False)

    def __post_init__(self) -> None:
        self.chooser = Chooser(self.vocabulary.size)

    def run(
        self,
        request: Generate,
        emit: Callable[[Token], None],
        on_prefilled: Callable[[GenerationStats], None] = lambda stats: None,
    ) -> GenerationStats:
        """Serve the request; ``emit`` gets every token as soon as it is known, ``on_prefilled`` what is known
        of the prompt once that is evaluated.

        Raises `RequestInvalid` before anything is evaluated, `EngineError` where llama.cpp fails.
        """
        stats = GenerationStats()
        began = time.perf_counter()
        prompt, stats.part_tokens = prompt_tokens(self.vocabulary, request.parts)
        stats.prompt_tokens = len(prompt)
        stop_tokens = self._stop_tokens(request.stop_markers)
        limit = self._token_limit(request, len(prompt))
        slot = self.slots.prepare(request.document, prompt, len(prompt) + limit)
        stats.reused_tokens = len(slot.tokens)
        prefilled = began
        try:
            self._prefill(slot, prompt, stats, want_logits=limit > 0)
            prefilled = time.perf_counter()
            stats.prefill_ms = (prefilled - began) * 1e3
            self.speeds.observe_prefill(stats.evaluated_tokens, prefilled - began)
            on_prefilled(replace(stats))
            stats.stop = self._decode(slot, request, limit, stop_tokens, stats, emit)
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

    def _prefill(self, slot: Slot, prompt: Tokens, stats: GenerationStats, *, want_logits: bool) -> None:
        step = self.context.micro_batch_tokens
        for start in range(len(slot.tokens), len(prompt), step):
            batch = prompt[start : start + step]
            self._evaluate(slot, batch, want_logits=want_logits and start + step >= len(prompt))
            stats.evaluated_tokens += len(batch)

    def _decode(
        self,
        slot: Slot,
        request: Generate,
        limit: int,
        stop_tokens: frozenset[int],
        stats: GenerationStats,
        emit: Callable[[Token], None],
    ) -> str:
        """Generate up to ``limit`` tokens; returns why it stopped. The last token is not evaluated."""
        answer = Answer(self.vocabulary, self.chooser, stop_tokens, request)
        for _ in range(limit):
            if self.abort.is_set:
                raise Aborted
            token = answer.choose(self.context.logits())
            if token in stop_tokens:
                return "end"
            stats.generated_tokens += 1
            if shown := answer.take():
                emit(shown)
            if answer.joint_probability < request.min_joint_probability:
                return "probability"
            if stats.generated_tokens < limit:
                self._evaluate(slot, np.array([token], np.int32), want_logits=True)
        return "length"

    def _evaluate(self, slot: Slot, tokens: Tokens, *, want_logits: bool) -> None:
        if self.abort.is_set:
            raise Aborted
        position = len(slot.tokens)
        result = self.context.evaluate(slot.sequence, tokens, position, want_logits=want_logits)
        if result is Evaluation.NO_ROOM and self.slots.forget_others(slot):
            result = self.context.evaluate(slot.sequence, tokens, position, want_logits=want_logits)
        if result is Evaluation.ABORTED:
            raise Aborted
        if result is Evaluation.NO_ROOM:
            raise EngineError(
                f"no room for {len(tokens)} more tokens in a context of {self.context.context_tokens:,}\n"
                "hint: report this as a bug"
            )
        self.slots.extend(slot, tokens)
