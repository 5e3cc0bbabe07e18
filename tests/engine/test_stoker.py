"""While a batch runs that comes after a pause, idle cores are kept awake: at no other time."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from asking import ONE_THREAD, make_decoder
from clock import Clock

from mellum_lsp import machine
from mellum_lsp.engine.stoker import Stoker
from mellum_lsp.machine import Cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has this priority")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stoker(clock: Clock) -> Iterator[Stoker]:
    before = {thread.native_id for thread in threading.enumerate()}
    stoker = Stoker(clock)
    [thread] = [one for one in threading.enumerate() if one.native_id not in before]
    wait_until(lambda: os.sched_getscheduler(thread.native_id or 0) == os.SCHED_IDLE)
    stoker.thread_id = thread.native_id  # type: ignore[attr-defined]
    yield stoker


def test_its_thread_works_while_a_batch_runs_and_sleeps_afterwards(stoker: Stoker) -> None:
    with stoker.batch():
        wait_until(lambda: state_of(stoker) == "R")
    wait_until(lambda: state_of(stoker) == "S")


def test_right_after_another_batch_nothing_is_done(stoker: Stoker, clock: Clock) -> None:
    with stoker.batch():
        wait_until(lambda: state_of(stoker) == "R")
    wait_until(lambda: state_of(stoker) == "S")
    clock.now += 0.01
    with stoker.batch():
        assert not stoker._wanted.is_set()
        assert state_of(stoker) == "S"
    clock.now += 1.0
    with stoker.batch():
        wait_until(lambda: state_of(stoker) == "R")


def test_a_batch_that_fails_ends_it_too(stoker: Stoker) -> None:
    with pytest.raises(RuntimeError), stoker.batch():
        raise RuntimeError
    wait_until(lambda: state_of(stoker) == "S")


def test_a_thread_that_never_got_its_turn_does_not_spin_later(stoker: Stoker, clock: Clock) -> None:
    for _ in range(200):
        clock.now += 1.0
        with stoker.batch():
            pass
    wait_until(lambda: state_of(stoker) == "S" and not stoker._wanted.is_set())


def test_without_that_priority_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    before = threading.active_count()
    stoker = Stoker()
    wait_until(lambda: threading.active_count() == before)
    with stoker.batch():
        assert not stoker._wanted.is_set()


@pytest.mark.parametrize(("cores", "threads", "stokes"), [(2, 2, True), (4, 2, False), (1, 1, False)])
def test_it_serves_where_all_cores_evaluate(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, stokes: bool
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: Cores(logical=cores, physical=cores))
    decoder = make_decoder(tiny_model, replace(ONE_THREAD, threads=threads))
    assert (decoder.stoker is not None) == stokes


def state_of(stoker: Stoker) -> str:
    """Of its thread: R for one that runs or could, S for one that sleeps."""
    stat = Path(f"/proc/self/task/{stoker.thread_id}/stat")  # type: ignore[attr-defined]
    return stat.read_text().rpartition(")")[2].split()[0]


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
