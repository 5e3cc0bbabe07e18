"""The live index outlives its worker, keeps itself for the next session, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mellum_lsp.domain import Caret
from mellum_lsp.retrieval import supervisor
from mellum_lsp.retrieval.live import IndexStatus, LiveIndex
from mellum_lsp.workspace.settings import IndexSettings

from .living import PATIENCE_SECONDS, QUICK, eventually, from_scratch, paths, running, write

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # of watchdog, where it loses track


def test_an_idle_worker_ends_and_the_next_change_starts_another(root: Path) -> None:
    with running(root, settings=replace(QUICK, worker_idle_seconds=0.1)) as index:
        for name in ("first.py", "second.py"):
            assert eventually(lambda: index._supervisor.pid is None)
            write(root / name)
            assert eventually(lambda name=name: name in paths(index))
        assert index._supervisor._crashes == 0


def test_a_killed_worker_is_replaced_and_nothing_is_lost(root: Path, live: LiveIndex) -> None:
    for number in range(300):
        write(root / f"more_{number}.py", f"value_{number} = {number}\n" * 20)
    time.sleep(0.05)
    pid = live._supervisor.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    expected = from_scratch(root)
    assert eventually(lambda: live.all_chunks() == expected)


def test_a_file_that_kills_the_worker_is_left_out_in_the_end(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(trap(tmp_path, "os.abort()")))
    write(root / "trap.py", "TRAP = 1\n")
    with running(root) as index:
        assert paths(index) == {"a.py", "pkg/b.py"}
        assert index.status().skipped == {"unreadable": 1}


def test_a_file_that_hangs_the_worker_does_not_hang_the_index(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(trap(tmp_path, "language is None or time.sleep(1000)")))
    monkeypatch.setattr(supervisor, "LONGEST_SECONDS_A_FILE", 0.5)
    write(root / "trap.py", "TRAP = 1\n")
    with running(root) as index:
        assert paths(index) == {"a.py", "pkg/b.py", "trap.py"}


def test_the_next_session_begins_with_what_was_kept(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keeping = IndexSettings(debounce_ms=5, document_debounce_ms=5)
    with running(root, settings=keeping) as first:
        first.document_opened_or_changed(root / "a.py", "unsaved = 1\n")
        assert first.wait_until_ready(PATIENCE_SECONDS)
    assert list((tmp_path / "cache").rglob("*.index"))
    (root / "pkg" / "b.py").unlink()
    write(root / "c.py")
    told: list[IndexStatus] = []
    with running(root, settings=keeping, on_status=told.append) as second:
        assert told[0].files == 2
        assert second.all_chunks() == from_scratch(root)


def test_the_worker_ends_with_the_index(root: Path) -> None:
    index = LiveIndex([root], QUICK)
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    pid = index._supervisor.pid
    assert pid is not None
    index.close()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert index.query(Caret("x.py", "python", "first()", 7)) is not None


def test_the_worker_dies_with_its_parent(root: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from mellum_lsp.retrieval.live import LiveIndex\n"
        "from mellum_lsp.workspace.settings import IndexSettings\n"
        "index = LiveIndex([Path(sys.argv[1])], IndexSettings(persist=False))\n"
        "index.start()\n"
        "index.wait_until_ready(20)\n"
        "print(index._supervisor.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert Path(f"/proc/{worker}").exists()
    parent.kill()
    parent.wait()
    assert eventually(lambda: not Path(f"/proc/{worker}").exists() or _is_zombie(worker))
    parent.stdout.close()


def trap(folder: Path, what_happens: str) -> Path:
    """A folder for the worker's path, with which ``what_happens`` where a file says ``TRAP``."""
    module = write(
        folder / "trap" / "sitecustomize.py",
        "import os, sys, time\n"
        "if 'mellum_lsp.retrieval.worker' in ' '.join(sys.orig_argv):\n"
        "    import mellum_lsp.retrieval.analysis as analysis\n"
        "    parse = analysis.parse\n"
        "    def trapped(text, language, seconds):\n"
        "        if 'TRAP' in text:\n"
        f"            {what_happens}\n"
        "        return parse(text, language, seconds)\n"
        "    analysis.parse = trapped\n",
    )
    return module.parent


def _is_zombie(pid: int) -> bool:
    return ") Z" in Path(f"/proc/{pid}/stat").read_text()
