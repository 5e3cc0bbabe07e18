"""What this process may use of the machine: cores and memory, within the limits of a container around it.

A container's limits are those of its control group and of every group above it (Linux, version 2; version 1
where that is mounted). They are read anew at every call: memory comes and goes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60
"""Version 1 writes a number of this size where there is no limit."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Hardware threads and physical cores that we may use; at least one of each."""

    logical: int
    physical: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that we could ever use, and those that are free now (what can be reclaimed counts as free)."""

    total: int
    available: int


def cores() -> Cores:
    """Limited by affinity and by the container's quota, of which only whole cores count.

    More threads than the quota has cores are all stopped for the rest of every period.
    """
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    logical = len(usable)
    physical = len({_siblings(cpu) for cpu in usable})
    if not hasattr(os, "sched_getaffinity"):
        physical = min(psutil.cpu_count(logical=False) or logical, logical)
    quota = container_cores()
    most = logical if quota is None else max(1, int(quota))
    return Cores(min(logical, most), min(physical, most))


def memory() -> Memory:
    """Limited by what the system has and by the container."""
    system = psutil.virtual_memory()
    total, available = system.total, system.available
    for limit, used in container_memory():
        total = min(total, limit)
        available = min(available, max(0, limit - used))
    return Memory(total, available)


def container_cores(groups: Path = _GROUPS) -> float | None:
    """The cores that the container's quota comes to, None where there is no limit."""
    quotas = [quota for group in _own_groups(groups, "cpu") if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def container_memory(groups: Path = _GROUPS) -> Iterator[tuple[int, int]]:
    """The limits around us in bytes, each with what is used of it and cannot be reclaimed."""
    for group in _own_groups(groups, "memory"):
        for limit_name, used_name in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit, used = _number(group / limit_name), _number(group / used_name)
            if limit is not None and limit < _UNLIMITED:
                yield limit, max(0, (used or 0) - _reclaimable(group))


def _own_groups(groups: Path, controller: str) -> Iterator[Path]:
    """Our own control group and those above it; inside a container only the root is seen."""
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines or ["0::/"]:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = groups / controller if controllers else groups
        own = root / path.lstrip("/")
        for group in (own, *own.parents):
            if group.is_dir():
                yield group
            if group == root:
                break


def _quota(group: Path) -> float | None:
    """Version 2 writes ``QUOTA PERIOD``, version 1 two files; "max" and -1 mean no limit."""
    try:
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _reclaimable(group: Path) -> int:
    """Bytes of cached files: the kernel gives them up before it lets us starve."""
    try:
        rows = (line.split() for line in (group / "memory.stat").read_text().splitlines())
        found = {name: int(value) for name, value in rows}
    except (OSError, ValueError):
        return 0
    files = found.get("file", found.get("total_cache", 0))
    return max(0, files - found.get("shmem", found.get("total_shmem", 0)))


def _siblings(cpu: int) -> str:
    """The hardware threads of the core that ``cpu`` belongs to, as the kernel writes them; itself where
    unknown."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)
