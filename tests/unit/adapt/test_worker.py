"""Commands at the lowest priority that stand still while there is a reason to wait."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mellum_lsp.adapt.errors import Interrupted
from mellum_lsp.adapt.worker import LOWEST_PRIORITY, Worker

COUNTS = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
count = open(folder / "count", "ab", buffering=0)
for number in range(100000):
    count.write(b".")
    time.sleep(0.002)
    if (folder / "STOP").exists() or (folder / "DONE").exists():
        print("ended by itself")
        break
"""


class Machine:
    """What the worker is told of the machine, and what it says at every tick."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reason = ""
        self.said: list[str] = []
        self.at_tick: Callable[[int], None] = lambda tick: None

    @property
    def count(self) -> int:
        """How far the command has come, -1 before it begins."""
        path = self.folder / "count"
        return path.stat().st_size if path.exists() else -1

    def hear(self, reason: str) -> None:
        self.said.append(reason)
        self.at_tick(len(self.said))

    def worker(self) -> Worker:
        return Worker(
            lambda: self.reason, self.hear, (self.folder / "STOP").touch, tick_seconds=0.05, quiet_seconds=0.0
        )

    def run(self, worker: Worker) -> int:
        command = [sys.executable, "-c", COUNTS, str(self.folder)]
        return worker.run(command, os.environ, self.folder / "log")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_stands_still_while_there_is_a_reason_and_goes_on_after(machine: Machine) -> None:
    counts: list[int] = []

    def at_tick(tick: int) -> None:
        if machine.count < 1:
            return
        if not machine.reason and not counts:
            machine.reason = "somebody types"
        elif machine.reason:
            counts.append(machine.count)
            if len(counts) == 3:
                machine.reason = ""
        elif machine.count > counts[-1] + 5:
            (machine.folder / "DONE").touch()

    machine.at_tick = at_tick
    assert machine.run(machine.worker()) == 0
    assert counts[0] == counts[1] == counts[2]
    assert machine.said.count("somebody types") >= 3
    assert machine.said[-1] == ""


def test_it_begins_only_when_there_is_no_reason(machine: Machine) -> None:
    machine.reason = "the machine runs on its battery"

    def at_tick(tick: int) -> None:
        if tick == 3:
            assert machine.count == -1
            machine.reason = ""
            (machine.folder / "DONE").touch()

    machine.at_tick = at_tick
    assert machine.run(machine.worker()) == 0
    assert machine.said[:3] == ["the machine runs on its battery"] * 3
    assert machine.count == 1


@pytest.mark.skipif(os.name != "posix", reason="niceness")
def test_it_has_the_lowest_priority(machine: Machine) -> None:
    seen: list[int] = []

    def at_tick(tick: int) -> None:
        if machine.count > 0:
            (child,) = psutil.Process().children()
            seen.append(child.nice())
            (machine.folder / "DONE").touch()

    machine.at_tick = at_tick
    machine.run(machine.worker())
    assert set(seen) == {LOWEST_PRIORITY}


def test_an_interrupted_command_may_save_what_it_has(machine: Machine) -> None:
    def at_tick(tick: int) -> None:
        if machine.count > 0:
            machine.reason = "somebody types"  # stopped, it could not end
        if machine.said[-1]:
            raise KeyboardInterrupt

    machine.at_tick = at_tick
    with pytest.raises(Interrupted):
        machine.run(machine.worker())
    assert (machine.folder / "log").read_text() == "ended by itself\n"
    assert psutil.Process().children() == []


def test_a_failure_is_its_exit_code_and_leaves_its_words(machine: Machine) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no memory')"]
    assert machine.worker().run(command, os.environ, machine.folder / "log") == 1
    assert (machine.folder / "log").read_text() == "no memory\n"
