"""All tests: the user's own folders stay out of it, and no process of ours is left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

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
