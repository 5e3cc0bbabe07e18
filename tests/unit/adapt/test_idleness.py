"""When the machine counts as idle."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mellum_lsp.adapt import idleness
from mellum_lsp.adapt.idleness import Idleness, Sample, reason_to_wait, seconds_since_input

IDLE = Sample(others_cores=0.1, input_seconds=600.0, on_battery=False)


@pytest.mark.parametrize(
    ("sample", "cores", "reason"),
    [
        (IDLE, 8, ""),
        (Sample(0.1, None, False), 8, ""),
        (Sample(0.1, 600.0, True), 8, "battery"),
        (Sample(0.1, 5.0, False), 8, "somebody types"),
        (Sample(0.9, 600.0, False), 2, "other programs use 0.9 cores"),
        (Sample(0.9, 600.0, False), 16, ""),
        (Sample(3.0, 600.0, False), 16, "other programs use 3.0 cores"),
    ],
)
def test_there_is_a_reason_to_wait_or_not(sample: Sample, cores: int, reason: str) -> None:
    found = reason_to_wait(sample, cores)
    assert reason in found
    assert bool(found) is bool(reason)


def test_what_an_editor_notes_counts_as_typing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = tmp_path / "events.sqlite"
    events.touch()
    os.utime(events, (time.time() - 3000,) * 2)
    monkeypatch.setattr(idleness, "default_path", lambda: events)
    monkeypatch.setattr(idleness, "_TERMINALS", ())
    assert seconds_since_input() == pytest.approx(3000, abs=60)
    (tmp_path / "events.sqlite-wal").touch()
    assert seconds_since_input() == pytest.approx(0, abs=60)


def test_a_key_at_a_terminal_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0").touch()
    os.utime(tmp_path / "0", (time.time() - 500, 0))  # read then, which is when somebody typed
    monkeypatch.setattr(idleness, "default_path", lambda: tmp_path / "none")
    monkeypatch.setattr(idleness, "_TERMINALS", ((tmp_path, "[0-9]*"),))
    assert seconds_since_input() == pytest.approx(500, abs=60)
    (tmp_path / "0").unlink()
    assert seconds_since_input() is None


class Times:
    """A machine whose programs have computed so much."""

    def __init__(self, user: float, nice: float) -> None:
        self.user, self.system, self.nice = user, 0.0, nice


def test_only_programs_of_ordinary_priority_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0, Times(100.0, 0.0)]
    monkeypatch.setattr(idleness.psutil, "cpu_times", lambda: now[1])
    monkeypatch.setattr(idleness.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(idleness, "seconds_since_input", lambda: None)
    monkeypatch.setattr(idleness, "_is_on_battery", lambda: False)
    idle = Idleness()
    now[:] = [10.0, Times(100.0, 20.0)]  # two cores of ours
    assert idle() == ""
    now[:] = [20.0, Times(400.0, 40.0)]
    assert "30.0 cores" in idle()
