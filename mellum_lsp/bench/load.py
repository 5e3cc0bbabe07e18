"""How many developers a completion server carries: simulated typists against one address, level by level.

A typist asks at random moments (exponential pauses), each time with a prompt that begins as the one before
and is a few tokens longer, as prefix caching rewards; now and then they jump, and all but the project's
context is new. A request that is not answered before the next one is withdrawn, as editors do. So an
overloaded server shows in both figures: answers come late, and fewer come at all.

Who joins has a file open already: the first prompt is evaluated before the clock runs. So what is measured is
a day at work, not its first minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mellum_lsp.domain import Part
from mellum_lsp.engine.interface import Engine, EngineError, GenerateRequest

_WORDS = (
    "value name path index result items key data config request response user count open close read write "
    "list entry store size start end"
)
_TYPED = ("\n    for item", "\n    value = items", "\n    return result", "\n    if name")
"""What comes to a prompt from one request to the next, a few tokens."""
_TOLD_EVERY_SECONDS = 0.5
_TOKENS_PER_LINE = 13.0
"""Of the made-up code, in the vocabularies of code models."""


@dataclass(frozen=True, slots=True)
class Typist:
    """How one developer loads the server: mean seconds between requests, tokens of prompt and answer."""

    pause_seconds: float = 4.0
    prompt_tokens: int = 1024
    answer_tokens: int = 24
    jump_share: float = 0.1
    """Of the requests, those that come from another place in the project."""
    arrival_seconds: float = 60.0
    """So long is waited for somebody's first prompt."""


@dataclass(slots=True)
class Level:
    """What ``users`` saw in ``seconds``; milliseconds to the first token and to the whole answer."""

    users: int
    seconds: float
    asked: int = 0
    withdrawn: int = 0
    failed: int = 0
    generated_tokens: int = 0
    first_ms: list[float] = field(default_factory=list)
    whole_ms: list[float] = field(default_factory=list)
    given_up_ms: list[float] = field(default_factory=list)
    """How long those were waited for that were withdrawn."""
    trouble: str = ""
    """What the first failure said."""

    @property
    def answers_per_second(self) -> float:
        return len(self.whole_ms) / self.seconds

    def percentile(self, share: float) -> float:
        """Of the whole answers' times; NaN where none came."""
        return float(np.percentile(self.whole_ms, share)) if self.whole_ms else float("nan")

    def share_within(self, target_ms: float) -> float:
        """Of the requests that were waited for so long, those that were answered by then; NaN without any.

        One that was withdrawn sooner says nothing; one withdrawn later, or failed, came too late.
        """
        in_time = sum(waited <= target_ms for waited in self.whole_ms)
        late = sum(waited > target_ms for waited in (*self.whole_ms, *self.given_up_ms)) + self.failed
        return in_time / (in_time + late) if in_time + late else float("nan")


async def measure(
    engine: Engine,
    levels: Sequence[int],
    seconds: float,
    typist: Typist,
    on_progress: Callable[[float], None] = lambda _: None,
    seed: int = 1,
) -> list[Level]:
    """Load ``engine`` with each number of users in turn for ``seconds``. Raises what its start raises."""
    await engine.start()
    random_ = random.Random(seed)
    measured: list[Level] = []
    people: list[_Person] = []
    for users in levels:
        while len(people) < users:
            people.append(_Person(engine, typist, random.Random(random_.random())))
            await people[-1].arrive()
        level = Level(users, seconds)
        done = len(measured) / len(levels)
        working = asyncio.gather(*(person.work(level) for person in people[:users]))
        begun = time.perf_counter()
        while not working.done():
            await asyncio.wait([working], timeout=_TOLD_EVERY_SECONDS)
            passed = min(1.0, (time.perf_counter() - begun) / seconds)
            on_progress(done + passed / len(levels))
        working.result()
        measured.append(level)
    on_progress(1.0)
    return measured


class _Person:
    def __init__(self, engine: Engine, typist: Typist, random_: random.Random) -> None:
        self._engine, self._typist, self._random = engine, typist, random_
        self._level = Level(0, 0.0)
        self._context = self._code(int(typist.prompt_tokens * 0.7))
        self._typed = self._code(int(typist.prompt_tokens * 0.3))

    async def arrive(self) -> None:
        """Have the first prompt evaluated; counted in no level."""
        self._level = Level(0, 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._typist.arrival_seconds):
                await self._ask()

    async def work(self, level: Level) -> None:
        """Ask until the level's time is up; what runs then is waited for, no longer than a pause."""
        self._level, seconds = level, level.seconds
        end = time.perf_counter() + seconds
        running: asyncio.Task[None] | None = None
        await asyncio.sleep(self._random.random() * min(self._typist.pause_seconds, seconds / 2))
        while time.perf_counter() < end:
            if running and not running.done():
                running.cancel()
                self._level.withdrawn += 1
            running = asyncio.create_task(self._ask())
            await asyncio.sleep(self._random.expovariate(1 / self._typist.pause_seconds))
        if running:
            await asyncio.wait([running], timeout=self._typist.pause_seconds)
            if not running.done():
                running.cancel()
                self._level.withdrawn += 1

    async def _ask(self) -> None:
        level, begun, first = self._level, time.perf_counter(), 0.0
        level.asked += 1
        generation = self._engine.generate(
            GenerateRequest((Part("prefix", "", (self._prompt(),)),), self._typist.answer_tokens)
        )
        try:
            async for _ in generation:
                first = first or time.perf_counter()
        except EngineError as error:
            level.failed += 1
            level.trouble = level.trouble or str(error).split("\n")[0]
            return
        except asyncio.CancelledError:
            level.given_up_ms.append((time.perf_counter() - begun) * 1000)
            generation.abort()
            raise
        ended = time.perf_counter()
        level.generated_tokens += generation.stats.generated_tokens
        level.first_ms.append(((first or ended) - begun) * 1000)
        level.whole_ms.append((ended - begun) * 1000)

    def _prompt(self) -> str:
        if self._random.random() < self._typist.jump_share:
            self._typed = self._code(int(self._typist.prompt_tokens * 0.3))
        else:
            self._typed += self._random.choice(_TYPED)
        return f"{self._context}\n{self._typed}"

    def _code(self, tokens: int) -> str:
        """Lines of calls that mean nothing, but that a model goes on with as with any code."""
        words, lines = _WORDS.split(), max(1, round(tokens / _TOKENS_PER_LINE))
        drawn = ([self._random.choice(words) for _ in range(4)] for _ in range(lines))
        return "\n".join(f"    {one}_{two} = {three}.{four}({two}, {one})" for one, two, three, four in drawn)
