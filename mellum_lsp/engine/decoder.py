"""The decode loop: reuse what is cached, evaluate the rest of the prompt, then greedily token by token.

Nothing is evaluated as long as what the model said a moment ago answers (`recent_logits`).

Guessed tokens (`drafts`) are evaluated together with the one that is known. Each is checked against the
model's own choice in front of it and taken only where it is the same, so a guess costs or saves time and
changes nothing else: ids and probabilities are those of the same batches evaluated without guessing. Batches
of another size round differently, which decides near ties otherwise (2 to 4% of all positions on a quantised
model).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.choice import Answer, Chooser
from mellum_lsp.engine.context import Context, Evaluation
from mellum_lsp.engine.drafts import Drafter, Drafts
from mellum_lsp.engine.interface import EngineError, GenerationStats, RequestInvalid, Token
from mellum_lsp.engine.messages import Generate
from mellum_lsp.engine.recent_logits import Logits, RecentLogits
from mellum_lsp.engine.slots import Slot, Slots
from mellum_lsp.engine.speeds import Speeds
from mellum_lsp.engine.stoker import Stoker
from mellum_lsp.engine.vocabulary import Tokens, Vocabulary, prompt_tokens

Emit = Callable[[Token], None]
OnPrefilled = Callable[[GenerationStats], None]

_REMEMBERED_TOKENS = 16
"""Of every answer: who types follows an answer that is asked for anew no further."""


class Aborted(Exception):
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
    recent: RecentLogits = field(default_factory=RecentLogits)
    stoker: Stoker | None = None
    """Where all of this machine's cores evaluate."""

    def __post_init__(self) -> None:
        self.chooser = Chooser(self.vocabulary.size)
        _ = self.vocabulary.pieces  # sorted now rather than while somebody waits for the first word

    def run(
        self, request: Generate, emit: Emit, on_prefilled: OnPrefilled = lambda stats: None
    ) -> GenerationStats:
        """Serve the request; ``emit`` gets every token as soon as it is known, ``on_prefilled`` what is known
        of the prompt once that is evaluated.

        Raises `RequestInvalid` for what cannot be served, `EngineError` where llama.cpp fails.
        """
        prompt, part_tokens = prompt_tokens(self.vocabulary, request.parts)
        limit = self._token_limit(request, len(prompt))
        stats = GenerationStats(prompt_tokens=len(prompt), part_tokens=part_tokens)
        run = _Run(request, prompt, limit, stats)
        try:
            if limit:
                stats.stop = self._decode(run, emit, on_prefilled)
            else:
                self._evaluate_up_to(run, prompt, outputs=0)
                self._note_prefilled(run, on_prefilled)
                stats.stop = "length"
        except Aborted:
            if run.slot:
                self.slots.recheck(run.slot)
            stats.stop = "aborted"
        except EngineError:
            if run.slot:
                self.slots.forget(run.slot)
            raise
        ended = time.perf_counter()
        prefilled = run.prefilled or ended  # aborted in prefill
        stats.prefill_ms = (prefilled - run.began) * 1e3
        stats.decode_ms = (ended - prefilled) * 1e3
        if not run.knew_answer:
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

    def _decode(self, run: _Run, emit: Emit, on_prefilled: OnPrefilled) -> str:
        """Generate up to ``run.limit`` tokens, of which the last is not evaluated; returns why it stopped."""
        request, stats = run.request, run.stats
        stop_tokens = self._stop_tokens(request.stop_markers)
        answer = Answer(self.vocabulary, self.chooser, stop_tokens, request)
        caret = sum(stats.part_tokens[: request.caret_part + 1])
        drafts = self.drafter.begin(run.prompt, caret or len(run.prompt), run.limit, stop_tokens)
        text = run.prompt
        try:
            while True:
                rows, draft = self._logits_behind(text, run, drafts)
                self._note_prefilled(run, on_prefilled)
                for row, logits in enumerate(rows):
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
                    if stats.generated_tokens == run.limit:
                        return "length"
                    text = np.append(text, np.int32(token))
                    if row == len(draft) or token != draft[row]:
                        break
                    stats.accepted_tokens += 1
                if run.slot:
                    self.slots.cut(run.slot, min(len(run.slot.tokens), len(text) - 1))
        finally:
            self.drafter.remember(drafts)

    def _logits_behind(self, text: Tokens, run: _Run, drafts: Drafts) -> tuple[Sequence[Logits], Tokens]:
        """The logits behind ``text`` and behind each token of a draft that may follow, and the draft."""
        known = self.recent.get(text)
        if known is not None:
            run.knew_answer = True
            return [known], drafts.propose(0)
        # Behind a prompt that has yet to be evaluated, nothing is guessed.
        draft = drafts.propose(run.limit - run.stats.generated_tokens - 1 if run.slot else 0)
        run.stats.drafted_tokens += len(draft)
        self._evaluate_up_to(run, np.concatenate([text, draft]), outputs=1 + len(draft))
        rows = self.context.logits()
        if run.stats.generated_tokens < _REMEMBERED_TOKENS:
            self.recent.put(text, rows[0])
        return list(rows), draft

    def _note_prefilled(self, run: _Run, on_prefilled: OnPrefilled) -> None:
        """The first logits are there: tell, once, what is known of the prompt."""
        if run.prefilled:
            return
        run.prefilled = time.perf_counter()
        stats = run.stats
        stats.prefill_ms = (run.prefilled - run.began) * 1e3
        self.speeds.observe_prefill(stats.evaluated_tokens, run.prefilled - run.began)
        on_prefilled(replace(stats))

    def _evaluate_up_to(self, run: _Run, text: Tokens, outputs: int) -> None:
        """Evaluate what the document's sequence lacks of ``text``; ``outputs`` of its last tokens' logits are
        wanted."""
        if run.slot is None:
            run.slot = self.slots.prepare(run.request.document, text)
            run.stats.reused_tokens = min(len(run.slot.tokens), len(run.prompt))
        step = self.micro_batch_tokens
        for start in range(len(run.slot.tokens), len(text), step):
            batch = text[start : start + step]
            self._evaluate(run.slot, batch, outputs if start + step >= len(text) else 0)
            run.stats.evaluated_tokens += max(0, min(len(run.prompt) - start, len(batch)))

    def _evaluate(self, slot: Slot, tokens: Tokens, outputs: int) -> None:
        if self.abort.is_set:
            raise Aborted
        position = len(slot.tokens)
        with self.stoker.batch() if self.stoker else nullcontext():
            result = self.context.evaluate(slot.sequence, tokens, position, outputs=outputs)
        if result is Evaluation.ABORTED:
            raise Aborted
        if result is Evaluation.NO_ROOM:
            raise EngineError(
                f"no room for {len(tokens)} more tokens in a context of {self.context.context_tokens:,}\n"
                "hint: report this as a bug"
            )
        self.slots.extend(slot, tokens)


@dataclass(slots=True)
class _Run:
    """One request's way. ``slot`` is the document's sequence, once something is to be evaluated, and
    ``prefilled`` the time at which the first logits were there. ``knew_answer``: some of it was known."""

    request: Generate
    prompt: Tokens
    limit: int
    stats: GenerationStats
    slot: Slot | None = None
    began: float = field(default_factory=time.perf_counter)
    prefilled: float = 0.0
    knew_answer: bool = False

    def __post_init__(self) -> None:
        self.stats.reused_tokens = len(self.prompt)
