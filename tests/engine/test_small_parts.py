"""Frames, the count cache, restart pauses, settings and the measurement of speed."""

from __future__ import annotations

import pytest
from tiny_gguf import MARKERS

from mellum_lsp.domain import Marker
from mellum_lsp.engine import messages
from mellum_lsp.engine.count_cache import CountCache
from mellum_lsp.engine.interface import EngineError, GenerationStats, ModelBroken, ModelInfo, RequestInvalid
from mellum_lsp.engine.restarts import Restarts
from mellum_lsp.engine.settings import Lifetime
from mellum_lsp.engine.speeds import Speeds

INFO = ModelInfo("n", "/m.gguf", "llama", 4096, frozenset(MARKERS), {"a": "b"}, 450.0, 100.5)


class TestFrames:
    @pytest.mark.parametrize(
        "message",
        [
            messages.Hello(messages.PROTOCOL, "secret", Lifetime(1.5, 2.5)),
            messages.Generate(
                1, [[Marker("<m>"), "a\0é😀"], []], 8, ["<m>"], "file:///a.py", 1, 0.5, 2, "ty"
            ),
            messages.Abort(2),
            messages.Count(3, ["", "x"]),
        ],
    )
    def test_requests_arrive_as_they_were_sent(self, message: messages.ToEngine) -> None:
        assert messages.decode_to_engine(body(message)) == message

    @pytest.mark.parametrize(
        "message",
        [
            messages.Loading(0.25),
            messages.Welcome(messages.PROTOCOL, 4711),
            messages.Ready(INFO),
            messages.Ending(),
            messages.LoadFailed("ModelBroken", "why\nhint: what"),
            messages.Prefilled(1, GenerationStats(3, 2, 1, part_tokens=[1, 2], queued_ms=0.5)),
            messages.Generated(1, 99, b"\xf0\x9f", 0.1 + 0.2),
            messages.Finished(1, GenerationStats(3, 2, 1, stop="end", part_tokens=[1, 2]), 1.0, 2.0),
            messages.Failed(1, "RequestInvalid", "why"),
            messages.Counted(1, [1, 2]),
        ],
    )
    def test_answers_arrive_as_they_were_sent(self, message: messages.FromEngine) -> None:
        assert messages.decode_from_engine(body(message)) == message

    def test_a_frame_of_impossible_length_is_refused(self) -> None:
        with pytest.raises(EngineError, match="out of step"):
            messages.body_length(b"HTTP")

    def test_a_request_too_large_for_a_frame_is_not_sent(self) -> None:
        with pytest.raises(RequestInvalid, match="too large"):
            messages.frame(messages.Count(1, ["x" * messages.MAX_FRAME_BYTES]))

    def test_errors_keep_their_class(self) -> None:
        assert type(messages.to_exception("ModelBroken", "x")) is ModelBroken
        assert type(messages.to_exception("SomethingNewer", "x")) is EngineError


class TestCountCache:
    def test_it_remembers(self) -> None:
        cache = CountCache()
        assert cache.get("text") is None
        cache.put("text", 0)
        assert cache.get("text") == 0

    def test_the_least_recently_used_texts_are_forgotten(self) -> None:
        cache = CountCache(capacity=10)
        cache.put("aaaa", 1)
        cache.put("bbbb", 2)
        cache.get("aaaa")
        cache.put("cccc", 3)
        assert [cache.get(text) for text in ("aaaa", "bbbb", "cccc")] == [1, None, 3]


class TestRestarts:
    def test_a_first_crash_costs_no_wait(self) -> None:
        restarts = Restarts()
        assert restarts.seconds_to_wait(0.0) == 0.0
        for now in (0.0, 1.0):
            restarts.crashed(now)
            assert restarts.seconds_to_wait(now) == 0.0

    def test_further_crashes_cost_more_and_more_up_to_a_minute(self) -> None:
        restarts = Restarts()
        waits = []
        for _ in range(12):
            restarts.crashed(50.0)
            waits.append(restarts.seconds_to_wait(50.0))
        assert waits[:6] == [0, 0, 1, 2, 4, 8]
        assert waits[-1] == 60
        assert restarts.seconds_to_wait(80.0) == 30

    def test_a_request_that_was_served_forgives_all(self) -> None:
        restarts = Restarts()
        for _ in range(5):
            restarts.crashed(0.0)
        restarts.served()
        restarts.crashed(0.0)
        assert restarts.seconds_to_wait(0.0) == 0.0


class TestSpeeds:
    def test_work_moves_the_average(self) -> None:
        speeds = Speeds(100.0, 10.0)
        speeds.observe_prefill(200, 1.0)
        speeds.observe_decode(5, 1.0)
        assert (speeds.prefill, speeds.decode) == (120.0, 9.0)

    def test_too_few_tokens_say_nothing(self) -> None:
        speeds = Speeds(100.0, 10.0)
        speeds.observe_prefill(8, 100.0)
        speeds.observe_decode(1, 100.0)
        assert (speeds.prefill, speeds.decode) == (100.0, 10.0)


def body(message: messages.ToEngine | messages.FromEngine) -> bytes:
    frame = messages.frame(message)
    assert messages.body_length(frame[:4]) == len(frame) - 4
    return frame[4:]
