"""What a batch costs is measured in little time, and threads and micro-batches follow from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from asking import ONE_THREAD
from tiny_gguf import write_tiny_gguf

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.gguf import read_header
from mellum_lsp.engine.loading import load
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.engine.tuning import (
    LARGEST_BATCH,
    Tuning,
    TuningStore,
    longest_product_share,
    measure,
    thread_counts,
)
from mellum_lsp.machine import Cores


class FakeContext:
    """Takes ``per_batch`` and ``per_token`` milliseconds on one thread; more threads divide that."""

    micro_batch_tokens = LARGEST_BATCH

    def __init__(self, per_batch: float, per_token: float) -> None:
        self.per_batch, self.per_token = per_batch, per_token
        self.seconds = 0.0
        self.threads = 0

    def evaluate(self, _sequence: int, tokens: np.ndarray, position: int, *, outputs: int) -> None:
        assert (position, outputs) == (0, 1), "nothing is left of the batch before"
        self.seconds += (self.per_batch + self.per_token * len(tokens)) / self.threads / 1e3

    def synchronise(self) -> None: ...

    def clear(self, sequence: int) -> None: ...

    def use_threads(self, threads: int) -> None:
        self.threads = threads


def measured(context: FakeContext, tuning: Tuning | None = None, others: tuple[int, ...] = ()) -> Tuning:
    tuning = tuning or Tuning()
    measure(context, tuning, 1000, 2, others, lambda: context.seconds)
    return tuning


class TestMeasuring:
    def test_a_fast_model_is_known_after_one_load(self) -> None:
        costs = measured(FakeContext(per_batch=4.0, per_token=2.0)).costs(2)
        assert [costs.milliseconds(size) for size in (1, 3, 16, 64)] == pytest.approx([3, 5, 18, 66])

    def test_a_slow_one_is_known_after_a_few_and_never_keeps_a_load_for_long(self) -> None:
        tuning = Tuning()
        for _ in range(12):
            context = FakeContext(per_batch=300.0, per_token=100.0)
            measured(context, tuning)
            assert context.seconds < 1.6
        assert {1, 2, 4, 8} <= set(tuning.times[2])

    def test_a_later_load_on_a_busy_machine_changes_nothing(self) -> None:
        tuning = measured(FakeContext(per_batch=4.0, per_token=2.0))
        before = tuning.costs(2).measured
        measured(FakeContext(per_batch=40.0, per_token=20.0), tuning)
        assert tuning.costs(2).measured == before

    def test_one_token_is_measured_whatever_the_time(self) -> None:
        tuning = measured(FakeContext(per_batch=5000.0, per_token=10.0))
        assert tuning.costs(2).milliseconds(1) == pytest.approx(2505)


class TestThreads:
    def test_one_for_every_core_and_some_others_are_compared(self) -> None:
        assert thread_counts(Cores(logical=16, physical=8)) == (8, (16, 7, 4))
        assert thread_counts(Cores(logical=2, physical=2)) == (2, (1,))
        assert thread_counts(Cores(logical=1, physical=1)) == (1, ())

    def test_others_must_be_clearly_faster(self) -> None:
        tuning = Tuning({4: {1: 10.0, 8: 40.0}, 8: {1: 9.8, 8: 39.0}, 3: {1: 12.0, 8: 50.0}})
        assert tuning.best_threads(4) == 4
        tuning.note(8, 1, 8.0)
        assert tuning.best_threads(4) == 8

    def test_what_was_measured_in_part_is_not_chosen(self) -> None:
        assert Tuning({4: {1: 10.0, 8: 40.0}, 8: {1: 1.0}}).best_threads(4) == 4

    def test_they_are_measured_where_they_are_faster(self) -> None:
        tuning = measured(FakeContext(per_batch=4.0, per_token=2.0), others=(4, 1))
        assert tuning.best_threads(2) == 4


class TestMicroBatch:
    FAST = Tuning({2: {1: 5.0, 8: 20.0, 16: 38.0, 32: 70.0, 64: 130.0, 128: 258.0}})

    def test_the_fastest_is_chosen_and_a_smaller_one_where_it_is_as_fast(self) -> None:
        assert self.FAST.micro_batch(2, longest_product=0.01, on_gpu=False) == 64

    def test_nobody_waits_long_for_an_abort(self) -> None:
        """A product of a tenth of the batch: 8 ms at 32 tokens, 13 at 64."""
        assert self.FAST.micro_batch(2, longest_product=0.1, on_gpu=False) == 32
        slow = Tuning({2: {size: 20 * ms for size, ms in self.FAST.times[2].items()}})
        assert slow.micro_batch(2, longest_product=0.01, on_gpu=False) == 16

    def test_a_gpu_is_waited_for_until_the_batch_is_done(self) -> None:
        gpu = Tuning({2: {1: 3.0, 16: 4.0, 32: 5.0, 64: 8.0, 128: 12.0}})
        assert gpu.micro_batch(2, longest_product=0.01, on_gpu=True) == 64

    def test_what_is_not_known_is_not_chosen(self) -> None:
        assert Tuning({2: {1: 250.0}}).micro_batch(2, 0.01, on_gpu=False) == 16

    def test_the_longest_product_is_that_of_the_largest_matrix(self, tiny_model: Path) -> None:
        attention, feed_forward = 64 * 64 * 2 + 64 * 32 * 2, 3 * 64 * 128
        share = longest_product_share(read_header(tiny_model))
        assert share == pytest.approx(64 * 128 / (2 * (attention + feed_forward)))


class TestStore:
    def test_what_was_measured_is_known_at_the_next_load(self, tmp_path: Path) -> None:
        TuningStore(tmp_path / "new", "a").write(Tuning({2: {1: 5.0, 8: 20.25}}))
        assert TuningStore(tmp_path / "new", "a").read().times == {2: {1: 5.0, 8: 20.25}}
        assert TuningStore(tmp_path / "new", "b").read().times == {}

    @pytest.mark.parametrize(
        "damage", [b"", b"{", b"[]", b'{"2": 5}', b'{"x": {}}', b'{"2": {"1": -1, "8": NaN}}', b"\xff"]
    )
    def test_damage_is_measured_anew(self, tmp_path: Path, damage: bytes) -> None:
        (tmp_path / "tuning-a.json").write_bytes(damage)
        assert not any(TuningStore(tmp_path, "a").read().times.values())

    def test_a_folder_that_cannot_be_written_is_no_trouble(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        TuningStore(tmp_path / "file", "a").write(Tuning({1: {1: 1.0}}))
        TuningStore(None, "a").write(Tuning({1: {1: 1.0}}))

    def test_a_load_keeps_its_measurements_by_the_content_of_the_model(self, tmp_path: Path) -> None:
        one, other = (write_tiny_gguf(tmp_path / f"{seed}.gguf", seed=seed) for seed in (1, 2))
        for model in (one, one, other):
            load(model, ONE_THREAD, AbortFlag(), lambda fraction: None, tmp_path / "cache")
        files = list((tmp_path / "cache").iterdir())
        assert len(files) == 2
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)


def test_what_was_chosen_is_told(tiny_model: Path) -> None:
    _, info = load(tiny_model, EngineSettings(threads=1), AbortFlag(), lambda fraction: None)
    assert info.threads == 1
    assert info.micro_batch_tokens in (16, 32, 64, 128)
    assert set(info.batch_ms) >= {1, 2, 8, 16, 64}
    assert info.gpu_layers == 0
    _, info = load(
        tiny_model, EngineSettings(threads=1, micro_batch_tokens=24), AbortFlag(), lambda fraction: None
    )
    assert info.micro_batch_tokens == 24
