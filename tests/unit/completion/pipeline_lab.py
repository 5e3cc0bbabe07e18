"""What the tests of the pipeline share: documents, projects that know something, and ways to wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.domain import Caret, Chunk, ScoredChunk
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.engine.scripted import ScriptedEngine, ScriptedGeneration
from mellum_lsp.retrieval.interface import NoContext

BODY = "def add(a, b):\n    $0\n"

Make = Callable[..., Completer]


def interactive(engine: ScriptedEngine) -> list[ScriptedGeneration]:
    """The generations that somebody asked for; the others only warm a plan."""
    return [generation for generation in engine.generations if generation.request.max_tokens]


def background(engine: ScriptedEngine) -> list[ScriptedGeneration]:
    """What was generated before anybody asked."""
    return [generation for generation in interactive(engine) if not generation.request.priority]


async def until(condition: Callable[[], Any], seconds: float = 2.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.001)


def text_before(request: GenerateRequest) -> str:
    """The text in front of the caret, as far as the prompt and the word that is left out of it hold it."""
    parts = [part.text for part in request.spelled_out() if part.kind == "prefix"]
    return "".join(parts).removeprefix("<fim_prefix>")


class KnowsAChunk(NoContext):
    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        chunk = Chunk("util.py", 1, 2, "def helper(a):\n    return a\n")
        return [ScoredChunk(chunk, 0.5, "iou")]


class SlowContext(KnowsAChunk):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        time.sleep(self.seconds)
        return super().query(caret, limit)


class HeldContext(KnowsAChunk):
    """Does not answer before ``answer`` is set."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answer = threading.Event()

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        self.asked.set()
        self.answer.wait(10.0)
        return super().query(caret, limit)


class BrokenContext(NoContext):
    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        raise RuntimeError("no index")
