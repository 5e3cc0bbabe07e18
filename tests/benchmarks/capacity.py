"""Checks the capacity plan of docs/team-server.md: simulated developers against simulated replicas.

    python tests/benchmarks/capacity.py

The developers are those of `mellum-lsp bench load`. A replica is a queue that serves one request after the
other; its service time is the one at which the published rate of its GPU has 90% of its answers within
750 ms. A developer's requests always go to the same replica, as a load balancer that hashes does it. Time
runs ten times as fast; no model and no network take part.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence

from mellum_lsp.bench.load import Level, Typist, measure
from mellum_lsp.engine.interface import GenerateRequest, GenerationStats, ModelInfo, Token

TARGET_MS = 750.0
PUBLISHED = {"L4": 1.0, "H100": 10.5}
"""Requests a second with 90% of the answers within `TARGET_MS`, by JetBrains."""
PLAN = ((10, "L4", 1), (50, "L4", 5), (100, "L4", 9), (50, "H100", 1), (100, "H100", 1), (300, "H100", 3))
TYPING_SHARE = 1 / 3
PAUSE_SECONDS = 4.0
FASTER = 10.0
SECONDS = 120.0
"""Of simulated time, for each row."""


class Replicas:
    """An engine that takes the time of ``count`` replicas and says nothing."""

    info: ModelInfo | None = None
    pid: int | None = None

    def __init__(self, count: int, service_seconds: float) -> None:
        self._queues = [asyncio.Lock() for _ in range(count)]
        self._seconds = service_seconds / FASTER

    async def start(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        return ModelInfo("replicas", "", "", 8192, frozenset(), {}, 1.0, 1.0)

    def generate(self, request: GenerateRequest) -> Answer:
        # A developer's prompt keeps its beginning.
        digest = hashlib.sha256(request.parts[0].text[:400].encode()).digest()
        return Answer(self._queues[int.from_bytes(digest[:4]) % len(self._queues)], self._seconds)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) // 4 for text in texts]

    async def close(self) -> None:
        pass


class Answer:
    """One generation; who withdraws it leaves the queue."""

    def __init__(self, queue: asyncio.Lock, seconds: float) -> None:
        self.stats = GenerationStats()
        self._queue, self._seconds = queue, seconds

    async def __aiter__(self) -> AsyncIterator[Token]:
        async with self._queue:
            await asyncio.sleep(self._seconds)
        yield Token(0, b"", 1.0)

    def abort(self) -> None:
        pass


def service_seconds(rate: float, draws: int = 200_000) -> float:
    """At which service time ``rate`` random requests a second have 90% of their answers in time (M/D/1)."""
    low, high = 0.0, min(TARGET_MS / 1000, 1 / rate)
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if _p90(rate, middle, draws) < TARGET_MS / 1000 else (low, middle)
    return low


def _p90(rate: float, service: float, draws: int) -> float:
    draw, wait, sojourns = random.Random(1), 0.0, []
    for _ in range(draws):
        sojourns.append(wait + service)
        wait = max(0.0, wait + service - draw.expovariate(rate))
    return sorted(sojourns)[int(0.9 * draws)]


async def row(developers: int, gpu: str, count: int) -> Level:
    typing = round(developers * TYPING_SHARE)
    typist = Typist(PAUSE_SECONDS / FASTER, prompt_tokens=64, arrival_seconds=0.0)
    engine = Replicas(count, service_seconds(PUBLISHED[gpu]))
    (level,) = await measure(engine, [typing], SECONDS / FASTER, typist)
    return level


def main() -> None:
    print("| developers | typing | GPUs | answered a second | p50 ms | p90 ms | withdrawn |")
    print("| ---: | ---: | --- | ---: | ---: | ---: | ---: |")
    for developers, gpu, count in PLAN:
        level = asyncio.run(row(developers, gpu, count))
        p50, p90 = (FASTER * level.percentile(share) for share in (50, 90))
        rate, withdrawn = level.answers_per_second / FASTER, level.withdrawn / max(1, level.asked)
        print(
            f"| {developers} | {level.users} | {count} {gpu} | {rate:.1f} | {p50:.0f} | {p90:.0f} | "
            f"{withdrawn:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
