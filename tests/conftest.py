"""All tests: out of the user's own folders, without a process left behind, whatever else the machine does."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is; what must be fast has a test that measures it.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

MARK = "MELLUM_LSP_TESTED_BY"
"""In the environment of every process that these tests start."""
PATIENCE_SECONDS = 10.0


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_user() -> Iterator[None]:
    """Servers, engines and indexes of this session live in a home of their own and are gone in the end."""
    home = Path(tempfile.mkdtemp(prefix="mellum-tests-"))  # short enough for a socket
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RUNTIME_DIR", "CACHE_HOME", "STATE_HOME", "DATA_HOME", "CONFIG_HOME"):
            folder = home / name.lower()
            folder.mkdir(mode=0o700)
            patch.setenv(f"XDG_{name}", str(folder))
        patch.setenv(MARK, str(os.getpid()))
        yield
    left = _processes_left()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left and time.monotonic() < deadline:
        _, left = psutil.wait_procs(left, timeout=0.1)
    commands = [" ".join(_command(process)) for process in left]
    for process in left:
        process.kill()
    shutil.rmtree(home, ignore_errors=True)
    assert not commands, f"processes were left behind: {commands}"


def _processes_left() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(os.getpid()) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if any("mellum_lsp" in word for word in _command(process))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
