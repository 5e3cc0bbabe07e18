"""The live index follows the disk and the editor, whatever happens in them."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mellum_lsp.domain import Caret
from mellum_lsp.retrieval.live import IndexStatus, LiveIndex
from mellum_lsp.workspace import changes

from .living import PATIENCE_SECONDS, QUICK, eventually, from_scratch, paths, running, write

MANY_FILES = 1000

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # of watchdog, where it loses track


def test_indexes_a_folder_and_says_so(root: Path) -> None:
    write(root / ".env", "KEY=1\n")
    told: list[IndexStatus] = []
    index = LiveIndex([root], QUICK, told.append)
    assert index.status().state == "indexing"
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    assert index.all_chunks() == from_scratch(root)
    status = index.status()
    assert (status.files, status.chunks, status.state, status.skipped) == (2, 2, "ready", {"secret": 1})
    assert status.bytes == sum(path.stat().st_size for path in root.rglob("*.py"))
    assert told[-1] == status
    index.close()


def test_no_folder_is_empty() -> None:
    with running() as index:
        assert index.status().state == "empty"
        assert index.query(Caret("a.py", "python", "x = 1\n", 3)) == []


def test_follows_files_on_disk(root: Path, live: LiveIndex) -> None:
    write(root / "new.py", "created = 1\n")
    write(root / "a.py", "def changed():\n    return 3\n")
    (root / "pkg" / "b.py").rename(root / "pkg" / "renamed.py")
    assert eventually(lambda: live.all_chunks() == from_scratch(root))
    (root / "new.py").unlink()
    saved = write(root / ".a.py.swp", "saved = 'atomically'\n")
    saved.replace(root / "a.py")
    assert eventually(lambda: live.all_chunks() == from_scratch(root))
    assert paths(live) == {"a.py", "pkg/renamed.py"}


def test_a_folder_removed_and_restored(root: Path, live: LiveIndex) -> None:
    shutil.move(root / "pkg", root.parent / "away")
    assert eventually(lambda: paths(live) == {"a.py"})
    shutil.move(root.parent / "away", root / "pkg")
    assert eventually(lambda: live.all_chunks() == from_scratch(root))
    write(root / "pkg" / "c.py")
    assert eventually(lambda: "pkg/c.py" in paths(live))


def test_the_workspace_folder_itself_removed_and_restored(root: Path, live: LiveIndex) -> None:
    shutil.move(root, root.parent / "away")
    assert eventually(lambda: paths(live) == set())
    shutil.move(root.parent / "away", root)
    assert eventually(lambda: live.all_chunks() == from_scratch(root))
    write(root / "later.py")
    assert eventually(lambda: "later.py" in paths(live))


def test_a_file_in_place_of_a_folder_and_a_folder_in_place_of_a_file(root: Path, live: LiveIndex) -> None:
    write(root / "pkg.py" / "inner.py")
    assert eventually(lambda: "pkg.py/inner.py" in paths(live))
    (root / "pkg.py").rename(root.parent / "away")  # nothing is told of what was in it
    write(root / "pkg.py")
    assert eventually(lambda: paths(live) == {"a.py", "pkg/b.py", "pkg.py"})
    (root / "pkg.py").unlink()
    write(root / "pkg.py" / "again.py")
    assert eventually(lambda: paths(live) == {"a.py", "pkg/b.py", "pkg.py/again.py"})


def test_a_branch_switch_of_many_files(root: Path, live: LiveIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many that the folder is compared with the disk as a whole."""
    monkeypatch.setattr(changes, "MANY_PATHS", MANY_FILES // 5)

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0"]
        subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    for number in range(MANY_FILES):
        write(root / "many" / str(number % 50) / f"{number}.py", f"value_{number} = {number}\n")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "other")
    for number in range(MANY_FILES):
        path = root / "many" / str(number % 50) / f"{number}.py"
        path.unlink() if number % 3 == 0 else path.write_text(f"other_{number} = {number}\n")
    git("add", ".")
    git("commit", "-m", "two")
    for branch, files in [("main", MANY_FILES), ("other", MANY_FILES - (MANY_FILES + 2) // 3)]:
        git("checkout", branch)
        expected = from_scratch(root)
        assert len(expected) == files + 2
        assert eventually(lambda files=files: live.status().files == files + 2, 60)
        assert live.wait_until_ready(60)
        assert eventually(lambda expected=expected: live.all_chunks() == expected, 60)


def test_changed_rules_count_at_once(root: Path, live: LiveIndex) -> None:
    write(root / ".gitignore", "pkg/\n")
    assert eventually(lambda: paths(live) == {"a.py"})
    (root / ".gitignore").unlink()
    assert eventually(lambda: paths(live) == {"a.py", "pkg/b.py"})


def test_open_documents_override_the_disk(root: Path, live: LiveIndex) -> None:
    opened = {"a.py": "unsaved = 'text'\n", "brand_new.py": "never = 'saved'\n"}
    for path, text in opened.items():
        live.document_opened_or_changed(root / path, text)
    assert live.wait_until_ready(PATIENCE_SECONDS)
    assert live.all_chunks() == from_scratch(root, opened)
    write(root / "a.py", "changed = 'on disk'\n")
    write(root / ".gitignore", "nothing\n")  # a whole scan
    time.sleep(0.3)
    assert live.wait_until_ready(PATIENCE_SECONDS)
    assert live.all_chunks() == from_scratch(root, opened)
    live.document_closed(root / "a.py")
    live.document_closed(root / "brand_new.py")
    assert live.wait_until_ready(PATIENCE_SECONDS)
    assert live.all_chunks() == from_scratch(root)


def test_an_open_document_that_is_ignored_or_secret_is_never_indexed(root: Path, live: LiveIndex) -> None:
    live.document_opened_or_changed(root / ".env", "PASSWORD=hunter2\n")
    live.document_opened_or_changed(root / "node_modules" / "x.js", "let x = 1\n")
    live.document_opened_or_changed(root / "a.py", "key = 'AKIA" + "IOSFODNN7EXAMPL2'\n")
    live.document_opened_or_changed(root.parent / ".ssh" / "elsewhere.py", "outside = 1\n")
    assert live.wait_until_ready(PATIENCE_SECONDS)
    assert paths(live) == {"pkg/b.py"}


def test_an_open_document_leaves_the_index_when_a_rule_begins_to_ignore_it(
    root: Path, live: LiveIndex
) -> None:
    live.document_opened_or_changed(root / "pkg" / "b.py", "unsaved = 1\n")
    assert live.wait_until_ready(PATIENCE_SECONDS)
    write(root / ".gitignore", "pkg/\n")
    assert eventually(lambda: paths(live) == {"a.py"})


def test_a_lone_surrogate_in_a_document_does_no_harm(root: Path, live: LiveIndex) -> None:
    live.document_opened_or_changed(root / "a.py", "text = '\ud800 half an emoji'\n")
    assert live.wait_until_ready(PATIENCE_SECONDS)
    assert "half an emoji" in live.all_chunks()[0].text


def test_the_editor_tells_of_files_where_nothing_watches(root: Path) -> None:
    with running(root, settings=replace(QUICK, watch=False)) as index:
        write(root / "new.py")
        (root / "a.py").unlink()
        time.sleep(0.1)
        assert "new.py" not in paths(index)
        index.files_changed([root / "new.py", root / "a.py"])
        assert index.wait_until_ready(PATIENCE_SECONDS)
        assert paths(index) == {"new.py", "pkg/b.py"}


def test_polls_and_says_so_where_the_limit_of_watches_is_reached(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD.add_callback", full)
    with running(root) as index:
        assert "limit" in index.status().polling
        write(root / "new.py")
        (root / "a.py").unlink()
        assert eventually(lambda: paths(index) == {"new.py", "pkg/b.py"})


def test_other_settings_count_at_once(root: Path, live: LiveIndex) -> None:
    write(root / "notes.md", "# Notes\n")
    write(root / "large.py", "value = 1\n" * 50)
    live.document_opened_or_changed(root / "pkg" / "new.py", "unsaved = 1\n")
    everything = {"a.py", "pkg/b.py", "pkg/new.py", "notes.md", "large.py"}
    assert eventually(lambda: paths(live) == everything)
    live.update_settings(replace(QUICK, exclude=("pkg/",), languages=("*", "-markdown"), max_file_bytes=100))
    assert live.wait_until_ready(PATIENCE_SECONDS)
    assert paths(live) == {"a.py"}
    assert live.status().skipped == {"ignored": 1, "other language": 1, "too large": 1}
    write(root / "pkg" / "later.py")
    live.update_settings(QUICK)
    assert live.wait_until_ready(PATIENCE_SECONDS)
    assert paths(live) == everything | {"pkg/later.py"}
    write(root / "pkg" / "last.py")
    assert eventually(lambda: "pkg/last.py" in paths(live))


def test_closing_before_starting_is_harmless(root: Path) -> None:
    LiveIndex([root], QUICK).close()
