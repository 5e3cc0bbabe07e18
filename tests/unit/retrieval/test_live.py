"""The live index follows the disk and the editor, survives its worker, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mellum_lsp.domain import Caret
from mellum_lsp.retrieval import supervisor
from mellum_lsp.retrieval.live import IndexStatus, LiveIndex
from mellum_lsp.workspace.settings import IndexSettings

from .living import PATIENCE_SECONDS, QUICK, eventually, from_scratch, write

MANY_FILES = 5000

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # of watchdog, where it loses track


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "project" / "a.py", "def first():\n    return 1\n")
    write(tmp_path / "project" / "pkg" / "b.py", "def second():\n    return 2\n")
    return tmp_path / "project"


@pytest.fixture
def live(root: Path) -> Iterator[LiveIndex]:
    index = LiveIndex([root], QUICK)
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    yield index
    index.close()


def paths(index: LiveIndex) -> set[str]:
    return {chunk.path for chunk in index.all_chunks()}


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
    index = LiveIndex([], QUICK)
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    assert index.status().state == "empty"
    assert index.query(Caret("a.py", "python", "x = 1\n", 3)) == []
    index.close()


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


def test_a_branch_switch_of_many_files(root: Path, live: LiveIndex) -> None:
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
    index = LiveIndex([root], IndexSettings(persist=False, watch=False))
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    write(root / "new.py")
    (root / "a.py").unlink()
    time.sleep(0.1)
    assert "new.py" not in paths(index)
    index.files_changed([root / "new.py", root / "a.py"])
    assert index.wait_until_ready(PATIENCE_SECONDS)
    assert paths(index) == {"new.py", "pkg/b.py"}
    index.close()


def test_polls_and_says_so_where_the_limit_of_watches_is_reached(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD.add_callback", full)
    index = LiveIndex([root], QUICK)
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    assert "limit" in index.status().polling
    write(root / "new.py")
    (root / "a.py").unlink()
    assert eventually(lambda: paths(index) == {"new.py", "pkg/b.py"})
    index.close()


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
    index = LiveIndex([link], QUICK)
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    text = "def first():\n    return 1\n"
    index.document_opened_or_changed(link / "a.py", text)
    assert index.wait_until_ready(PATIENCE_SECONDS)
    found = index.query(Caret("a.py", "python", text, len(text), root=str(link)))
    assert [one.chunk.path for one in found] == ["pkg/b.py"]
    index.close()


def test_a_document_outside_of_all_folders_brings_the_files_beside_it(tmp_path: Path) -> None:
    script = write(tmp_path / "scripts" / "main.py", "from helper import assist\nassist()\n")
    write(tmp_path / "scripts" / "helper.py", "def assist():\n    return 1\n")
    write(tmp_path / "scripts" / "deep" / "unseen.py", "assist = 2\n")
    index = LiveIndex([], QUICK)
    index.start()
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
    index.close()


def test_of_a_folder_that_is_no_project_only_so_many_files_are_read(tmp_path: Path) -> None:
    for number in range(9):
        write(tmp_path / f"{number}.py")
    index = LiveIndex([], replace(QUICK, max_loose_files=4))
    index.start()
    index.document_opened_or_changed(tmp_path / "main.py", "value = 1\n")
    assert index.wait_until_ready(PATIENCE_SECONDS)
    assert len(paths(index)) == 5
    assert index.status().skipped == {"too many files": 5}
    index.close()


def test_a_project_opened_around_a_lone_document_takes_it_over(root: Path) -> None:
    index = LiveIndex([], QUICK)
    index.start()
    index.document_opened_or_changed(root / "pkg" / "b.py", "unsaved = 1\n")
    assert index.wait_until_ready(PATIENCE_SECONDS)
    assert paths(index) == {"b.py"}
    index.add_folder(root)
    index.document_opened_or_changed(root / "pkg" / "b.py", "unsaved = 2\n")
    assert eventually(lambda: index.all_chunks() == from_scratch(root, {"pkg/b.py": "unsaved = 2\n"}))
    index.close()


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


def test_an_idle_worker_ends_and_the_next_change_starts_another(root: Path) -> None:
    index = LiveIndex([root], replace(QUICK, worker_idle_seconds=0.1))
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    for name in ("first.py", "second.py"):
        assert eventually(lambda: index._supervisor.pid is None)
        write(root / name)
        assert eventually(lambda name=name: name in paths(index))
    assert index._supervisor._crashes == 0
    index.close()


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
    deadly = tmp_path / "deadly"
    deadly.mkdir()
    (deadly / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'mellum_lsp.retrieval.worker' in ' '.join(sys.orig_argv):\n"
        "    import mellum_lsp.retrieval.analysis as analysis\n"
        "    parse = analysis.parse\n"
        "    def fatal(text, *rest):\n"
        "        if 'BOOM' in text:\n"
        "            os.abort()\n"
        "        return parse(text, *rest)\n"
        "    analysis.parse = fatal\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(deadly))
    write(root / "boom.py", "BOOM = 1\n")
    index = LiveIndex([root], QUICK)
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    assert paths(index) == {"a.py", "pkg/b.py"}
    assert index.status().skipped == {"unreadable": 1}
    index.close()


def test_a_file_that_hangs_the_worker_does_not_hang_the_index(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if 'mellum_lsp.retrieval.worker' in ' '.join(sys.orig_argv):\n"
        "    import mellum_lsp.retrieval.analysis as analysis\n"
        "    parse = analysis.parse\n"
        "    def hanging(text, language, seconds):\n"
        "        if 'HANG' in text and language is not None:\n"
        "            time.sleep(1000)\n"
        "        return parse(text, language, seconds)\n"
        "    analysis.parse = hanging\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(slow))
    monkeypatch.setattr(supervisor, "LONGEST_SECONDS_A_FILE", 0.5)
    write(root / "hang.py", "HANG = 1\n")
    index = LiveIndex([root], QUICK)
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    assert paths(index) == {"a.py", "hang.py", "pkg/b.py"}
    index.close()


def test_the_next_session_begins_with_what_was_kept(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keeping = IndexSettings(debounce_ms=5, document_debounce_ms=5)
    first = LiveIndex([root], keeping)
    first.start()
    assert first.wait_until_ready(PATIENCE_SECONDS)
    first.document_opened_or_changed(root / "a.py", "unsaved = 1\n")
    assert first.wait_until_ready(PATIENCE_SECONDS)
    first.close()
    assert list((tmp_path / "cache").rglob("*.index"))
    (root / "pkg" / "b.py").unlink()
    write(root / "c.py")
    told: list[IndexStatus] = []
    second = LiveIndex([root], keeping, told.append)
    second.start()
    assert second.wait_until_ready(PATIENCE_SECONDS)
    assert told[0].files == 2
    assert second.all_chunks() == from_scratch(root)
    second.close()


def test_the_worker_ends_with_the_index(root: Path) -> None:
    index = LiveIndex([root], QUICK)
    index.start()
    assert index.wait_until_ready(PATIENCE_SECONDS)
    pid = index._supervisor.pid
    assert pid is not None
    index.close()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert index.query(Caret("x.py", "python", "first()", 7)) is not None


def test_closing_before_starting_is_harmless(root: Path) -> None:
    LiveIndex([root], QUICK).close()


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


def _is_zombie(pid: int) -> bool:
    return ") Z" in Path(f"/proc/{pid}/stat").read_text()
