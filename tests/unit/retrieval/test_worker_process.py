"""What a worker's process leaves behind: nothing, whenever it is ended."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest

from mellum_lsp.retrieval.messages import Configure, Done, Scan
from mellum_lsp.retrieval.worker_process import WorkerProcess
from mellum_lsp.workspace.settings import IndexSettings


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_one_that_is_ended_before_it_began(temporary: Path) -> None:
    """The server that ends it may be gone before anybody hears of the worker's end."""
    ended = threading.Event()
    worker = WorkerProcess(lambda reply: None, lambda in_peace, path: ended.set())
    worker.end()
    assert list(temporary.iterdir()) == []
    assert ended.wait(10)


def test_one_that_works(temporary: Path, tmp_path: Path) -> None:
    """Its parent may be killed at any moment from now on."""
    done, ended = threading.Event(), threading.Event()
    (tmp_path / "project").mkdir()
    worker = WorkerProcess(
        lambda reply: done.set() if isinstance(reply, Done) else None, lambda in_peace, path: ended.set()
    )
    worker.send(Configure(IndexSettings(), [], []))
    worker.send(Scan(1, str(tmp_path / "project"), {}))
    assert done.wait(20)
    assert list(temporary.iterdir()) == []
    assert worker.path_in_hand() is None
    worker.end()
    assert ended.wait(10)
