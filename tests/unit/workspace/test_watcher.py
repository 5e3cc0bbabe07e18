"""Watchers tell of what changes on disk, and of nothing that is ignored."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mellum_lsp.workspace.inotify import InotifyWatcher
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.watcher import OnPath, RecursiveWatcher, Watcher, explain, new_watcher
from mellum_lsp.workspace.watching import Watching

PATIENCE_SECONDS = 10.0
SETTINGS = IndexSettings(poll_seconds=0.0)

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def inotify(on_path: OnPath) -> Watcher:
    return InotifyWatcher(SETTINGS, on_path, lambda root, error: None)


class Heard(list[str]):
    """The paths that were told of, of one root."""

    def __call__(self, root: str, path: str) -> None:
        self.append(path)

    def until(self, *paths: str) -> bool:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and not set(paths) <= set(self):
            time.sleep(0.005)
        return set(paths) <= set(self)


@pytest.fixture
def heard() -> Heard:
    return Heard()


WARNS = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # watchdog's observer, on Linux


@pytest.fixture(params=[inotify, pytest.param(RecursiveWatcher, marks=WARNS)])
def watcher(request: pytest.FixtureRequest, heard: Heard) -> Iterator[Watcher]:
    made: Watcher = request.param(heard)
    yield made
    made.close()


@pytest.fixture
def selective(heard: Heard) -> Iterator[Watcher]:
    made = inotify(heard)
    yield made
    made.close()


def write(path: Path, text: str = "x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_tells_of_files_that_come_change_move_and_go(tmp_path: Path, watcher: Watcher, heard: Heard) -> None:
    write(tmp_path / "pkg" / "old.py")
    watcher.watch(str(tmp_path))
    write(tmp_path / "new.py")
    write(tmp_path / "pkg" / "old.py", "y = 2\n")
    assert heard.until("new.py", "pkg/old.py")
    heard.clear()
    (tmp_path / "new.py").rename(tmp_path / "pkg" / "moved.py")
    (tmp_path / "pkg" / "old.py").unlink()
    assert heard.until("new.py", "pkg/moved.py", "pkg/old.py")


def test_hears_of_what_happens_in_new_folders(tmp_path: Path, selective: Watcher, heard: Heard) -> None:
    selective.watch(str(tmp_path))
    (tmp_path / "one" / "two").mkdir(parents=True)
    assert heard.until("one")
    end = time.monotonic() + PATIENCE_SECONDS
    while "one/two/deep.py" not in heard and time.monotonic() < end:  # what came before is in a scan of "one"
        write(tmp_path / "one" / "two" / "deep.py")
        time.sleep(0.01)
    assert "one/two/deep.py" in heard


def test_hears_nothing_after_the_end_or_of_loose_folders_below(
    tmp_path: Path, watcher: Watcher, heard: Heard
) -> None:
    (tmp_path / "below").mkdir()
    watcher.watch(str(tmp_path), loose=True)
    write(tmp_path / "below" / "unheard.py")
    write(tmp_path / "heard.py")
    assert heard.until("heard.py")
    assert "below/unheard.py" not in heard
    watcher.unwatch(str(tmp_path))
    write(tmp_path / "unheard.py")
    time.sleep(0.1)
    assert "unheard.py" not in heard


def test_ignored_folders_and_files_of_no_interest_are_silent(
    tmp_path: Path, selective: Watcher, heard: Heard
) -> None:
    write(tmp_path / ".gitignore", "out/\n")
    for folder in ("node_modules/x", "out", ".git/objects"):
        (tmp_path / folder).mkdir(parents=True)
    selective.watch(str(tmp_path))
    for name in ("node_modules/x/a.js", "out/b.py", ".git/objects/c.py", "server.log", "d.pyc"):
        write(tmp_path / name)
    write(tmp_path / "last.py")
    assert heard.until("last.py")
    assert set(heard) == {"last.py"}


def test_rule_files_are_heard_of(tmp_path: Path, selective: Watcher, heard: Heard) -> None:
    (tmp_path / ".git" / "info").mkdir(parents=True)
    selective.watch(str(tmp_path))
    write(tmp_path / ".gitignore", "x\n")
    write(tmp_path / ".git" / "info" / "exclude", "x\n")
    assert heard.until(".gitignore", ".git/info/exclude")


def test_a_folder_moved_away_is_let_go_and_watched_again_when_it_returns(
    tmp_path: Path, selective: Watcher, heard: Heard
) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    write(root / "pkg" / "sub" / "a.py")
    selective.watch(str(root))
    for _ in range(2):
        heard.clear()
        (root / "pkg").rename(away)
        assert heard.until("pkg")
        heard.clear()
        write(away / "sub" / "a.py", "away = 1\n")
        time.sleep(0.1)
        assert "pkg/sub/a.py" not in heard
        away.rename(root / "pkg")
        assert heard.until("pkg")
        time.sleep(0.1)
        write(root / "pkg" / "sub" / "a.py", "back = 1\n")
        assert heard.until("pkg/sub/a.py")


def test_a_full_queue_means_that_anything_may_have_changed(
    tmp_path: Path, selective: Watcher, heard: Heard
) -> None:
    selective.watch(str(tmp_path))
    assert isinstance(selective, InotifyWatcher)
    selective._roots[str(tmp_path)].on_queue_overflow()
    assert heard == ["."]


def test_watching_anew_goes_by_the_rules_of_now(tmp_path: Path, selective: Watcher, heard: Heard) -> None:
    (tmp_path / "out").mkdir()
    selective.watch(str(tmp_path))
    write(tmp_path / ".gitignore", "out/\n")
    assert heard.until(".gitignore")
    selective.watch(str(tmp_path))
    write(tmp_path / "out" / "a.py")
    write(tmp_path / "last.py")
    assert heard.until("last.py")
    assert set(heard) == {".gitignore", "last.py"}


def at_the_limit(after: int) -> Callable[..., object]:
    """Stands for `InotifyFD.add_callback` where the kernel grants no more than ``after`` watches."""
    from watchdog.observers.inotify_c import InotifyFD

    real, granted = InotifyFD.add_callback, 0

    def add(*arguments: object) -> object:
        nonlocal granted
        granted += 1
        if granted > after:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")
        return real(*arguments)

    return add


def test_a_folder_is_polled_where_the_limit_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD.add_callback", at_the_limit(1))
    (tmp_path / "one").mkdir()
    watching = Watching(SETTINGS, lambda root, path: None)
    watching.watch(str(tmp_path))
    assert "max_user_watches" in watching.why
    assert watching.folders_to_scan(1.0) == [str(tmp_path)]
    watching.close()


def test_a_folder_is_polled_from_when_the_limit_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchdog.observers.inotify_c.InotifyFD.add_callback", at_the_limit(1))
    heard = Heard()
    watching = Watching(SETTINGS, heard)
    watching.watch(str(tmp_path))
    assert watching.why == "" and watching.folders_to_scan(1.0) == []
    (tmp_path / "one").mkdir()
    assert heard.until("one")
    assert "max_user_watches" in watching.why
    assert watching.folders_to_scan(2.0) == [str(tmp_path)]
    watching.close()


def test_a_folder_that_goes_and_comes_is_scanned_and_watched(tmp_path: Path) -> None:
    heard = Heard()
    root = tmp_path / "root"
    root.mkdir()
    watching = Watching(SETTINGS, heard)
    watching.watch(str(root))
    root.rename(tmp_path / "away")
    assert watching.folders_to_scan(1.0) == [str(root)]
    assert watching.why == "the folder does not exist"
    assert watching.folders_to_scan(2.0) == []
    root.mkdir()
    assert watching.folders_to_scan(3.0) == [str(root)]
    assert watching.why == ""
    write(root / "a.py")
    assert heard.until("a.py")
    watching.close()


def test_limits_are_explained_with_what_helps() -> None:
    assert "max_user_watches" in explain(OSError(errno.ENOSPC, "no space"))
    assert "max_user_instances" in explain(OSError(errno.EMFILE, "too many files"))
    assert explain(OSError(errno.EIO, "broken")) == "[Errno 5] broken"


def test_linux_has_the_watcher_that_knows_the_rules() -> None:
    watcher = new_watcher(SETTINGS, Heard(), lambda root, error: None)
    assert isinstance(watcher, InotifyWatcher)
    watcher.close()
