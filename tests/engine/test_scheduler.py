"""Interactive work first, background work interrupted, and an abort that never hits the wrong job."""

from __future__ import annotations

import threading

import pytest

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.interface import Priority
from mellum_lsp.engine.messages import FromEngine, Generate
from mellum_lsp.engine.scheduler import Job, Scheduler


@pytest.fixture
def flag() -> AbortFlag:
    return AbortFlag()


@pytest.fixture
def scheduler(flag: AbortFlag) -> Scheduler:
    return Scheduler(flag)


OURS, THEIRS = 1, 2
"""Two servers."""


def send(message: FromEngine) -> None: ...


def job(id: int, priority: Priority = Priority.INTERACTIVE, server: int = OURS) -> Job:
    return Job(Generate(id, [], 1, [], "", int(priority), 0.0), server, send, 0.0)


def take(scheduler: Scheduler) -> int:
    """The id of the next job."""
    taken = scheduler.take()
    assert taken
    return taken.request.id


def test_jobs_are_taken_in_order_but_interactive_ones_first(scheduler: Scheduler) -> None:
    for id, priority in ((1, 0), (2, 1), (3, 0), (4, 1)):
        scheduler.submit(job(id, Priority(priority)))
    assert [take(scheduler) for _ in range(4)] == [2, 4, 1, 3]


def test_servers_take_turns_and_the_jobs_of_each_stay_in_order(scheduler: Scheduler) -> None:
    for id in (1, 2, 3):
        scheduler.submit(job(id, server=OURS))
    for id in (11, 12):
        scheduler.submit(job(id, server=THEIRS))
    assert take(scheduler) == 1
    scheduler.submit(job(21, server=3))
    assert [take(scheduler) for _ in range(5)] == [11, 2, 21, 12, 3]


def test_a_server_that_goes_takes_its_jobs_along(scheduler: Scheduler, flag: AbortFlag) -> None:
    for id, server in ((1, OURS), (2, OURS), (3, THEIRS), (4, OURS)):
        scheduler.submit(job(id, Priority(id % 2), server))
    assert take(scheduler) == 1
    scheduler.forget(THEIRS)
    assert not flag.is_set
    scheduler.forget(OURS)
    assert flag.is_set
    assert scheduler.take(0) is None


@pytest.mark.parametrize(
    ("running", "arriving", "aborted"),
    [
        (Priority.BACKGROUND, Priority.INTERACTIVE, True),
        (Priority.BACKGROUND, Priority.BACKGROUND, False),
        (Priority.INTERACTIVE, Priority.INTERACTIVE, False),
        (Priority.INTERACTIVE, Priority.BACKGROUND, False),
    ],
)
def test_only_background_work_is_interrupted_and_only_by_a_user(
    scheduler: Scheduler, flag: AbortFlag, running: Priority, arriving: Priority, aborted: bool
) -> None:
    scheduler.submit(job(1, running))
    scheduler.take()
    scheduler.submit(job(2, arriving))
    assert flag.is_set is aborted


def test_the_running_job_is_aborted_by_its_flag_which_the_next_one_does_not_inherit(
    scheduler: Scheduler, flag: AbortFlag
) -> None:
    scheduler.submit(job(1))
    scheduler.submit(job(2))
    scheduler.take()
    assert scheduler.abort(OURS, 1) is None
    assert flag.is_set
    assert take(scheduler) == 2
    assert not flag.is_set


def test_a_waiting_job_is_handed_back_and_never_starts(scheduler: Scheduler, flag: AbortFlag) -> None:
    for id in (1, 2, 3):
        scheduler.submit(job(id))
    scheduler.take()
    handed_back = scheduler.abort(OURS, 2)
    assert handed_back and handed_back.request.id == 2
    assert not flag.is_set
    assert take(scheduler) == 3


def test_an_abort_that_comes_too_late_hits_nobody(scheduler: Scheduler, flag: AbortFlag) -> None:
    scheduler.submit(job(1))
    scheduler.take()
    scheduler.submit(job(2))
    scheduler.take()
    assert scheduler.abort(OURS, 1) is None
    assert not flag.is_set


def test_ids_belong_to_their_server(scheduler: Scheduler, flag: AbortFlag) -> None:
    scheduler.submit(job(1))
    scheduler.submit(job(2))
    scheduler.take()
    assert scheduler.abort(THEIRS, 1) is None
    assert scheduler.abort(THEIRS, 2) is None
    assert not flag.is_set
    assert take(scheduler) == 2


def test_take_waits_for_work(scheduler: Scheduler) -> None:
    threading.Timer(0.02, scheduler.submit, [job(1)]).start()
    assert take(scheduler) == 1


def test_take_can_be_woken_and_waits_no_longer_than_it_may(scheduler: Scheduler) -> None:
    assert scheduler.take(0.001) is None
    threading.Timer(0.02, scheduler.wake).start()
    assert scheduler.take() is None
    scheduler.wake()
    scheduler.submit(job(1))
    assert take(scheduler) == 1
