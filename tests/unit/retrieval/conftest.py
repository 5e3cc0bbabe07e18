"""A small folder, and a live index of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mellum_lsp.retrieval.live import LiveIndex

from .living import running, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "project" / "a.py", "def first():\n    return 1\n")
    write(tmp_path / "project" / "pkg" / "b.py", "def second():\n    return 2\n")
    return tmp_path / "project"


@pytest.fixture
def live(root: Path) -> Iterator[LiveIndex]:
    with running(root) as index:
        yield index
