"""Which folders the live index holds: the editor's own, and those of documents that lie outside of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mellum_lsp.domain import Caret
from mellum_lsp.retrieval.live import LiveIndex

from .living import PATIENCE_SECONDS, QUICK, eventually, from_scratch, paths, running, write

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # of watchdog, where it loses track


def test_folders_come_and_go(root: Path, tmp_path: Path, live: LiveIndex) -> None:
    write(tmp_path / "second" / "z.py", "second_folder = 1\n")
    live.add_folder(tmp_path / "second")
    assert live.wait_until_ready(PATIENCE_SECONDS)
    assert paths(live) == {"a.py", "pkg/b.py", "z.py"}
    live.remove_folder(root)
    assert eventually(lambda: paths(live) == {"z.py"})
    write(root / "unseen.py")
    write(tmp_path / "second" / "seen.py")
    assert eventually(lambda: paths(live) == {"z.py", "seen.py"})


def test_a_folder_known_by_a_link_is_the_same_folder(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    with running(link) as index:
        text = "def first():\n    return 1\n"
        index.document_opened_or_changed(link / "a.py", text)
        assert index.wait_until_ready(PATIENCE_SECONDS)
        found = index.query(Caret("a.py", "python", text, len(text), root=str(link)))
        assert [one.chunk.path for one in found] == ["pkg/b.py"]


def test_a_document_outside_of_all_folders_brings_the_files_beside_it(tmp_path: Path) -> None:
    script = write(tmp_path / "scripts" / "main.py", "from helper import assist\nassist()\n")
    write(tmp_path / "scripts" / "helper.py", "def assist():\n    return 1\n")
    write(tmp_path / "scripts" / "deep" / "unseen.py", "assist = 2\n")
    with running() as index:
        text = script.read_text() + "assist\n"
        index.document_opened_or_changed(script, text)
        assert index.wait_until_ready(PATIENCE_SECONDS)
        assert paths(index) == {"main.py", "helper.py"}
        found = index.query(Caret("main.py", "python", text, len(text) - 1))
        assert [one.chunk.path for one in found] == ["helper.py"]
        write(tmp_path / "scripts" / "later.py")
        assert eventually(lambda: "later.py" in paths(index))
        index.document_closed(script)
        assert eventually(lambda: index.status().files == 0 and index.status().state == "empty")


def test_of_a_folder_that_is_no_project_only_so_many_files_are_read(tmp_path: Path) -> None:
    for number in range(9):
        write(tmp_path / f"{number}.py")
    with running(settings=replace(QUICK, max_loose_files=4)) as index:
        index.document_opened_or_changed(tmp_path / "main.py", "value = 1\n")
        assert index.wait_until_ready(PATIENCE_SECONDS)
        assert len(paths(index)) == 5
        assert index.status().skipped == {"too many files": 5}


def test_a_project_opened_around_a_lone_document_takes_it_over(root: Path) -> None:
    with running() as index:
        index.document_opened_or_changed(root / "pkg" / "b.py", "unsaved = 1\n")
        assert index.wait_until_ready(PATIENCE_SECONDS)
        assert paths(index) == {"b.py"}
        index.add_folder(root)
        index.document_opened_or_changed(root / "pkg" / "b.py", "unsaved = 2\n")
        assert eventually(lambda: index.all_chunks() == from_scratch(root, {"pkg/b.py": "unsaved = 2\n"}))
