"""One generation while it runs, shared by all who want what it brings.

Requests for the same place share a flight, and so does the next one while what was generated still continues
what was typed. A flight ends when nobody waits for it any more; one that nobody has asked for yet, a
prefetch, ends with its draft.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from mellum_lsp.completion.cache import Anchor, Entry, anchor_of
from mellum_lsp.completion.generated import Collector, Generated
from mellum_lsp.completion.outcome import Source, Timings, TokenCounts
from mellum_lsp.completion.planned import Planned
from mellum_lsp.completion.plans import Planner
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.stop import Stop, StopPolicy
from mellum_lsp.domain import Caret, Prompt
from mellum_lsp.engine.interface import (
    Engine,
    EngineError,
    GenerateRequest,
    Generation,
    Priority,
    RequestInvalid,
)
from mellum_lsp.prompt.healing import heal

log = logging.getLogger(__name__)

_FINISHED = ("end", "length", "probability")


class Flight:
    """From planning to the stream's end. ``error`` is set where it failed, ``done`` when it is over.

    Waiters enter with ``join`` and leave with ``leave``. A ``prefetch`` runs in the background, by a plan
    that is there already; a ``private`` one is not for others to join. ``rank`` above 0 asks for another
    candidate than the most likely one.
    """

    def __init__(
        self,
        caret: Caret,
        min_joint_probability: float,
        settings: CompletionSettings,
        on_landed: Callable[[Flight], None] | None = None,
        *,
        prefetch: bool = False,
        private: bool = False,
        rank: int = 0,
    ) -> None:
        self.caret = caret
        self.anchor: Anchor = anchor_of(caret)
        self.min_joint_probability = min_joint_probability
        self.planned: Planned | None = None
        self.prompt: Prompt = ()
        """As it was evaluated; () before that."""
        self.generated = Generated()
        self.end: Stop | None = None
        self.error: Exception | None = None
        self.done = False
        self.waiters = 0
        self.prefetch = prefetch
        self.private = private
        self.rank = rank
        self._settings = settings
        self._on_landed = on_landed
        self._collector = Collector()
        self._policy = StopPolicy(caret, settings.max_lines)
        self._generation: Generation | None = None
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._unasked = prefetch
        self._withdrawn = False
        self._begun = self._first_token = 0.0

    # ---- waiting for it

    def join(self) -> None:
        self.waiters += 1
        self._unasked = False

    def leave(self) -> None:
        """A waiter has what it needs, or withdraws."""
        self.waiters -= 1

    async def changed(self) -> None:
        """Until something new was generated, or the end came."""
        await self._changed.wait()

    def typed_since(self, caret: Caret) -> str | None:
        """What was typed between this flight's place and ``caret``; None where it does not lead there."""
        typed = caret.text[self.caret.offset : caret.offset]
        if caret.offset < self.caret.offset or (caret.document, caret.path) != (
            self.caret.document,
            self.caret.path,
        ):
            return None
        begin = Caret(caret.path, caret.language, caret.text, self.caret.offset, document=caret.document)
        return typed if (anchor_of(begin).before, anchor_of(caret).after) == self.anchor[1:] else None

    def may_continue(self, typed: str) -> bool:
        """Whether what was typed agrees with what was generated so far."""
        text = self.generated.text
        if self._withdrawn and not self.done:
            return False
        return text.startswith(typed) or (not self.done and typed.startswith(text))

    # ---- running it

    async def landed(self) -> None:
        """Until the engine has ended it."""
        if self._task:
            await asyncio.wait([self._task])

    def start(self, engine: Engine, planner: Planner, patient: bool) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._run(engine, planner, patient), name="completion")
        self._task.add_done_callback(lambda _: self._land())  # also where it was cancelled before it began
        return self._task

    def stop_if_unwanted(self) -> None:
        """Free the engine where nobody waits any more."""
        if not self.waiters:
            self.abort()

    def abort(self) -> None:
        if self.done:
            return
        self._withdrawn = True
        if self._generation:
            self._generation.abort()
        elif self._task and not self.done:
            self._task.cancel()

    async def _run(self, engine: Engine, planner: Planner, patient: bool) -> None:
        planner.begin_interactive()
        try:
            if self.prefetch:
                self.planned = planner.current(self.caret)
            else:
                self.planned = await planner.plan(self.caret, patient)
            if self.planned is None:
                return
            await self._generate(engine, self.planned)
            if self.generated.text or self.generated.stop in _FINISHED:
                planner.evaluated(self.caret, self.planned)
        except EngineError as error:
            self.error = error
        except asyncio.CancelledError:
            self.abort()
            raise
        except Exception as error:
            log.exception("a completion failed; the next one starts afresh")
            self.error = error
        finally:
            planner.end_interactive()
            self._land()

    def _land(self) -> None:
        if self.done:
            return
        self.done = True
        if self._on_landed:
            self._on_landed(self)  # before the waiters wake, so that they find the cache filled
        self._changed.set()

    async def _generate(self, engine: Engine, planned: Planned) -> None:
        self._begun = time.perf_counter()
        whole = planned.plan.render(self.caret)
        self.prompt, word = heal(whole)
        try:
            await self._read(engine, planned, word)
        except RequestInvalid:
            if not word:
                raise
            # A vocabulary that cannot spell the word: nothing was said yet, so it is asked as it was typed.
            self.prompt = whole
            await self._read(engine, planned, "")

    async def _read(self, engine: Engine, planned: Planned, word: str) -> None:
        """Generate what follows `prompt` and the ``word`` that was left out of it."""
        generation = self._generation = engine.generate(
            GenerateRequest(
                parts=self.prompt,
                max_tokens=self._settings.max_tokens,
                stop_markers=planned.plan.dialect.stop_markers,
                document=planned.document,
                priority=Priority.BACKGROUND if self.prefetch else Priority.INTERACTIVE,
                min_joint_probability=self.min_joint_probability,
                first_token_rank=self.rank,
                must_begin_with=word,
            )
        )
        if self._withdrawn:
            generation.abort()
        async for token in generation:
            self._first_token = self._first_token or time.perf_counter()
            self._collector.add(token)
            self._note()
            if self._unasked and self.end is not None:
                self.abort()
        self._note(generation.stats.stop)

    def _note(self, stop: str = "") -> None:
        """Take a snapshot, find the end, wake the waiters."""
        self.generated = self._collector.generated(stop)
        if self.end is None:
            self.end = self._policy.feed(self.generated.text)
        if self.end is None and stop in _FINISHED:
            self.end = self._policy.finish(self.generated.text)
        self._changed.set()
        self._changed = asyncio.Event()

    # ---- telling of it

    @property
    def source(self) -> Source:
        """Which plan the model was shown."""
        if self.planned is None:
            return ""
        return "micro" if self.planned.is_micro else "full"

    def entry(self) -> Entry | None:
        """For the cache; None where nothing was learned."""
        if (
            self.error
            or self.planned is None
            or not (self.generated.text or self.generated.stop in _FINISHED)
        ):
            return None
        return Entry(
            self.generated,
            self.end,
            self.min_joint_probability,
            self.planned.plan.chunks,
            self.tokens().prompt,
            self.planned.is_micro,
            self.prefetch,
            self.rank,
        )

    def tokens(self) -> TokenCounts:
        """As the engine counted them; the plan's estimate before it has told."""
        stats = self._generation.stats if self._generation else None
        if stats and stats.prompt_tokens:
            return TokenCounts(
                stats.prompt_tokens,
                stats.reused_tokens,
                stats.evaluated_tokens,
                stats.generated_tokens or self._collector.tokens,
            )
        prompt = self.planned.plan.tokens if self.planned else 0
        return TokenCounts(prompt=prompt, generated=self._collector.tokens)

    def timings(self, total_ms: float, retrieval_ms: float) -> Timings:
        """The engine's own, or what was seen from outside before it has told."""
        stats = self._generation.stats if self._generation else None
        prefill_ms = stats.prefill_ms if stats else 0.0
        decode_ms = stats.decode_ms if stats else 0.0
        now = time.perf_counter()
        if self._begun and not prefill_ms:
            prefill_ms = ((self._first_token or now) - self._begun) * 1000
        if self._first_token and not decode_ms:
            decode_ms = (now - self._first_token) * 1000
        return Timings(total_ms, retrieval_ms, prefill_ms, decode_ms)

    def part_tokens(self) -> tuple[int, ...]:
        """The tokens of every part of the prompt, once the stream has ended."""
        return tuple(self._generation.stats.part_tokens) if self._generation else ()
