"""The machine is no larger than the container around us says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp import machine

MIB = 1024**2


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of control groups in which we are in ``/outer/inner``."""
    own = tmp_path / "own"
    own.write_text("0::/outer/inner\n")
    monkeypatch.setattr(machine, "_OWN_GROUP", own)
    (tmp_path / "groups/outer/inner").mkdir(parents=True)
    return tmp_path / "groups"


def test_this_machine_has_cores_and_memory() -> None:
    cores, memory = machine.cores(), machine.memory()
    assert 1 <= cores.physical <= cores.logical
    assert 0 < memory.available <= memory.total


@pytest.mark.parametrize(
    ("quota", "cores"), [("100000 100000", 1.0), ("50000 100000", 0.5), ("250000 100000", 2.5)]
)
def test_a_quota_limits_the_cores(groups: Path, quota: str, cores: float) -> None:
    (groups / "outer/inner/cpu.max").write_text(quota + "\n")
    assert machine.container_cores(groups) == cores


def test_only_whole_cores_of_a_quota_count_and_one_is_always_there(
    groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _pid: set(range(4)))
    monkeypatch.setattr(machine, "_siblings", lambda cpu: str(cpu // 2))
    assert machine.cores() == machine.Cores(logical=4, physical=2)
    for quota, expected in ((350_000, (3, 2)), (190_000, (1, 1)), (20_000, (1, 1))):
        monkeypatch.setattr(machine, "container_cores", lambda quota=quota: quota / 100_000)
        found = machine.cores()
        assert (found.logical, found.physical) == expected


def test_the_tightest_limit_on_the_way_up_counts(groups: Path) -> None:
    (groups / "outer/inner/cpu.max").write_text("max 100000\n")
    (groups / "outer/cpu.max").write_text("150000 100000\n")
    (groups / "cpu.max").write_text("800000 100000\n")
    assert machine.container_cores(groups) == 1.5


@pytest.mark.parametrize("text", ["max 100000\n", "", "nonsense"])
def test_a_container_without_limits_limits_nothing(groups: Path, text: str) -> None:
    (groups / "outer/inner/cpu.max").write_text(text)
    (groups / "outer/inner/memory.max").write_text("max\n")
    assert machine.container_cores(groups) is None
    assert list(machine.container_memory(groups)) == []


def test_cached_files_count_as_free_but_not_what_lies_in_memory_only(
    groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = groups / "outer/inner"
    (inner / "memory.max").write_text(f"{400 * MIB}\n")
    (inner / "memory.current").write_text(f"{300 * MIB}\n")
    (inner / "memory.stat").write_text(f"anon {90 * MIB}\nfile {200 * MIB}\nshmem {50 * MIB}\n")
    limits = list(machine.container_memory(groups))
    assert limits == [(400 * MIB, 150 * MIB)]
    monkeypatch.setattr(machine, "container_memory", lambda: limits)
    assert machine.memory() == machine.Memory(total=400 * MIB, available=250 * MIB)


def test_version_1_is_read_where_it_is_mounted(
    groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").write_text("4:memory:/ours\n2:cpu,cpuacct:/ours\n0::/\n")
    for controller in ("cpu", "memory"):
        (groups / controller / "ours").mkdir(parents=True)
    (groups / "cpu/ours/cpu.cfs_quota_us").write_text("200000\n")
    (groups / "cpu/ours/cpu.cfs_period_us").write_text("100000\n")
    (groups / "memory/ours/memory.limit_in_bytes").write_text(f"{800 * MIB}\n")
    (groups / "memory/ours/memory.usage_in_bytes").write_text(f"{100 * MIB}\n")
    (groups / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert machine.container_cores(groups) == 2.0
    assert list(machine.container_memory(groups)) == [(800 * MIB, 100 * MIB)]
