"""The one interface to whatever decodes: a llama.cpp child process, a remote server or a script in a test.

An engine knows tokens, not completions: it evaluates a prompt, streams tokens with exact probabilities and
stops at the simplest of conditions. What is worth showing is decided by `mellum_lsp.completion`.

Errors, all with a message that says what happened and what to do next::

    EngineError
    ├── ModelError           the model file cannot be served
    │   ├── ModelMissing         no such file
    │   ├── ModelBroken          truncated, or not a GGUF
    │   ├── ModelUnsupported     an architecture or vocabulary that this llama.cpp cannot serve
    │   └── ModelTooLarge        not enough memory for it, at the moment
    ├── EngineCrashed        the engine's process ended; the next request starts another
    └── RequestInvalid       the request itself cannot be served (prompt longer than the context)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Protocol

from mellum_lsp.domain import Part


class EngineError(Exception):
    """The engine could not do what was asked; the message is meant for the user."""


class ModelError(EngineError): ...


class ModelMissing(ModelError): ...


class ModelBroken(ModelError): ...


class ModelUnsupported(ModelError): ...


class ModelTooLarge(ModelError): ...


class EngineCrashed(EngineError): ...


class RequestInvalid(EngineError): ...


class Priority(IntEnum):
    """An interactive request aborts background work at once, also inside prefill."""

    BACKGROUND = 0
    INTERACTIVE = 1


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is served. Speeds are measured on this machine when the model is loaded, in tokens per second.

    ``context_tokens`` may one prompt have with its answer, and so much holds the KV cache of each of
    ``sequences``. ``batch_ms`` is what evaluating so many tokens at once costs, as far as it was measured.
    ``gpu_layers`` is -1 where the whole model is on a GPU. ``lora`` is the path of the adapter, "" without.
    """

    name: str
    path: str
    architecture: str
    context_tokens: int
    markers: frozenset[str]
    metadata: Mapping[str, str]
    prefill_tokens_per_second: float
    decode_tokens_per_second: float
    threads: int = 0
    micro_batch_tokens: int = 0
    gpu_layers: int = 0
    sequences: int = 0
    batch_ms: Mapping[int, float] = field(default_factory=dict)
    lora: str = ""


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Evaluate ``parts`` and decode up to ``max_tokens`` greedily; 0 only warms the KV cache.

    ``stop_markers`` end the generation, besides the model's own end-of-generation tokens and every other
    control token. ``document`` lets the engine keep one KV sequence per document. Decoding also ends with the
    token that takes the product of all probabilities under ``min_joint_probability`` (0: never): what comes
    later would not be shown.

    ``first_token_rank`` k > 0 asks for another candidate, always the same one: it begins with the k-th most
    likely token behind the one that a greedy answer begins with, tokens that would end it not counted, and
    goes on greedily. Probabilities stay exact, so candidates can be compared by them.

    ``must_begin_with`` is what was typed of a word and left out of the prompt. The answer is constrained to
    begin with it, and only what follows is streamed: no piece contains it. While it lasts, a token's
    probability is renormalised over the tokens that agree with it; those of tokens that lie within it
    altogether are multiplied into the next one's.
    """

    parts: Sequence[Part]
    max_tokens: int
    stop_markers: Sequence[str] = ()
    document: str = ""
    priority: Priority = Priority.INTERACTIVE
    min_joint_probability: float = 0.0
    first_token_rank: int = 0
    must_begin_with: str = ""

    def spelled_out(self) -> Sequence[Part]:
        """``parts`` with ``must_begin_with`` at the prefix's end, for engines that hold no answer to it."""
        return [
            replace(part, segments=(*part.segments, self.must_begin_with))
            if part.kind == "prefix" and self.must_begin_with
            else part
            for part in self.parts
        ]


@dataclass(frozen=True, slots=True)
class Token:
    """One decoded token: its bytes, perhaps part of a character, and its exact probability at temperature
    1."""

    id: int
    piece: bytes
    probability: float


@dataclass(slots=True)
class GenerationStats:
    """How a generation goes. What concerns the prompt is known when the prompt is evaluated, in front of the
    first token; the rest when the stream has ended.

    ``stop`` is one of: ``end`` (the model ended it), ``length``, ``probability``, ``aborted``; empty until
    then. ``part_tokens`` counts the tokens of every part of the request, in order; a beginning-of-sequence
    token that the engine had to add is counted to the first. ``queued_ms`` passed before the work began.
    ``drafted_tokens`` were guessed and evaluated ahead of time, ``accepted_tokens`` of them were right.
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    evaluated_tokens: int = 0
    generated_tokens: int = 0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    stop: str = ""
    part_tokens: Sequence[int] = field(default_factory=tuple)
    queued_ms: float = 0.0
    drafted_tokens: int = 0
    accepted_tokens: int = 0


class Generation(Protocol):
    """A running generation: iterate over its tokens, or abort it.

    Iteration raises `EngineError` subclasses. ``stats`` is filled in twice: as soon as the prompt has been
    evaluated, and at the end, however it came.
    """

    stats: GenerationStats

    def __aiter__(self) -> AsyncIterator[Token]: ...

    def abort(self) -> None:
        """Stop the work as soon as possible, also inside prefill; the stream then ends with ``aborted``.

        One that still waits for others never starts; one that has ended is left as it is. Only this ends the
        work early: to stop iterating does not.
        """


class Engine(Protocol):
    """Start on demand, generate, count. Methods may be called from one event loop only."""

    @property
    def info(self) -> ModelInfo | None:
        """None until the model is loaded."""

    @property
    def pid(self) -> int | None:
        """The process that decodes, None while none runs."""

    async def start(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        """Load the model if it is not loaded; ``on_progress`` gets fractions from 0 to 1.

        Concurrent calls share one start. Raises `ModelError` and `EngineCrashed`.
        """

    def generate(self, request: GenerateRequest) -> Generation:
        """Begin a generation (starting the engine first where needed); returns at once."""

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text by itself, as a `str` segment of a part."""

    async def close(self) -> None:
        """End the engine; running generations end as aborted."""
