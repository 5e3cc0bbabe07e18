"""Requests that the engine's process has not answered yet, and what becomes of them when it crashes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mellum_lsp.engine import messages
from mellum_lsp.engine.generation import LlamaGeneration
from mellum_lsp.engine.interface import EngineError, GenerationStats, Token


@dataclass(slots=True)
class _Asked:
    message: messages.Generate
    generation: LlamaGeneration
    started: bool = False
    aborted: bool = False


class Pending:
    """Passes every answer on to whoever waits for it. Answers to requests that are not here are dropped."""

    def __init__(self) -> None:
        self._generations: dict[int, _Asked] = {}
        self._counts: dict[int, asyncio.Future[list[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._generations or self._counts)

    def add_generation(self, message: messages.Generate, generation: LlamaGeneration) -> None:
        self._generations[message.id] = _Asked(message, generation)

    def add_count(self, request_id: int) -> asyncio.Future[list[int]]:
        """The future that the answer will complete."""
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._counts[request_id] = answer
        return answer

    def wants(self, request_id: int) -> bool:
        """Whether the generation is still to be sent: neither answered nor aborted."""
        asked = self._generations.get(request_id)
        return asked is not None and not asked.aborted

    def abort(self, request_id: int) -> None:
        """Note that nobody wants the generation any more; its end is still to come."""
        if asked := self._generations.get(request_id):
            asked.aborted = True

    def end_as_aborted(self, request_id: int) -> None:
        """End a generation that the engine never got."""
        if asked := self._generations.pop(request_id, None):
            asked.generation.finish(GenerationStats(stop="aborted"))

    def end_all_as_aborted(self) -> None:
        for request_id in list(self._generations):
            self.end_as_aborted(request_id)

    def fail(self, request_id: int, error: EngineError) -> None:
        if asked := self._generations.pop(request_id, None):
            asked.generation.fail(error)
        if answer := self._counts.pop(request_id, None):
            _fail(answer, error)

    def fail_counts(self, error: EngineError) -> None:
        for answer in self._counts.values():
            _fail(answer, error)
        self._counts.clear()

    def settle(self, message: messages.FromEngine) -> None:
        """Pass on an answer of the engine."""
        match message:
            case messages.Started(request_id):
                if asked := self._generations.get(request_id):
                    asked.started = True
            case messages.Prefilled(request_id, stats):
                if asked := self._generations.get(request_id):
                    asked.generation.stats = stats
            case messages.Generated(request_id, token, piece, probability):
                if asked := self._generations.get(request_id):
                    asked.generation.add(Token(token, piece, probability))
            case messages.Finished(request_id, stats):
                if asked := self._generations.pop(request_id, None):
                    asked.generation.finish(stats)
            case messages.Failed(request_id, error, text):
                self.fail(request_id, messages.to_exception(error, text))
            case messages.Counted(request_id, counts):
                answer = self._counts.pop(request_id, None)
                if answer and not answer.done():
                    answer.set_result(counts)

    def crashed(self, error: EngineError) -> list[messages.Generate]:
        """Fail what the process was working on; returns what it had not begun, to be asked of the next one.

        Those cannot have been the cause, and their senders need not know: a request that reaches an engine in
        the moment of its death is served like any other.
        """
        self.fail_counts(error)
        unstarted = []
        for request_id, asked in list(self._generations.items()):
            if asked.aborted:
                self.end_as_aborted(request_id)
            elif asked.started:
                self.fail(request_id, error)
            else:
                unstarted.append(asked.message)
        return unstarted


def _fail(answer: asyncio.Future[list[int]], error: EngineError) -> None:
    if not answer.done():
        answer.set_exception(error)
