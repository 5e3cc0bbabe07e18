"""Changes wait for quiet, merge, and turn into a scan when there are very many."""

from __future__ import annotations

from mellum_lsp.workspace.changes import MANY_PATHS, Changes

ROOT = "/project"


def test_nothing_is_due_before_it_is_quiet() -> None:
    changes = Changes(quiet=0.1, document_quiet=1.0)
    changes.path(ROOT, "a.py", now=10.0)
    changes.path(ROOT, "b.py", now=10.05)
    assert changes.take(10.1).paths == {}
    assert round(changes.seconds_until_due(10.1) or 0, 3) == 0.05
    assert changes.take(10.16).paths == {ROOT: ["a.py", "b.py"]}
    assert not changes
    assert changes.seconds_until_due(10.2) is None


def test_what_never_gets_quiet_is_due_all_the_same() -> None:
    changes = Changes(quiet=0.1, document_quiet=1.0)
    for step in range(30):
        changes.path(ROOT, "log.py", now=10.0 + step * 0.05)
    assert changes.take(11.46).paths == {ROOT: ["log.py"]}


def test_an_atomic_save_is_one_path() -> None:
    changes = Changes(0.1, 1.0)
    for path in ["a.py.tmp", "a.py", "a.py.tmp", "a.py"]:
        changes.path(ROOT, path, 1.0)
    assert changes.take(2.0).paths == {ROOT: ["a.py.tmp", "a.py"]}


def test_very_many_paths_become_a_scan() -> None:
    changes = Changes(0.1, 1.0)
    for number in range(MANY_PATHS + 1):
        changes.path(ROOT, f"{number}.py", 1.0)
    changes.path(ROOT, "one_more.py", 1.0)
    work = changes.take(2.0)
    assert work.scans == [(ROOT, "")]
    assert work.paths == {}


def test_a_changed_rule_file_means_a_scan_and_git_itself_nothing() -> None:
    changes = Changes(0.1, 1.0)
    changes.path(ROOT, ".git/index.lock", 1.0)
    assert not changes
    changes.path(ROOT, "sub/.gitignore", 1.0)
    assert changes.take(2.0).scans == [(ROOT, "")]
    changes.path(ROOT, ".git/info/exclude", 3.0)
    assert changes.take(4.0).scans == [(ROOT, "")]


def test_of_a_document_the_last_text_counts_until_it_is_closed() -> None:
    changes = Changes(0.1, 1.0)
    changes.document(ROOT, "a.py", "one", 1.0)
    changes.document(ROOT, "a.py", "two", 1.5)
    assert changes.take(2.0).documents == []
    assert changes.take(2.6).documents == [(ROOT, "a.py", "two")]
    changes.document(ROOT, "a.py", "three", 3.0)
    changes.closed(ROOT, "a.py", 3.1)
    work = changes.take(9.0)
    assert work.documents == []
    assert work.paths == {ROOT: ["a.py"]}


def test_a_closed_folder_is_forgotten() -> None:
    changes = Changes(0.1, 1.0)
    changes.path(ROOT, "a.py", 1.0)
    changes.document(ROOT, "b.py", "text", 1.0)
    changes.scan("/other", 1.0)
    changes.forget(ROOT)
    work = changes.take(9.0)
    assert (work.scans, work.paths, work.documents) == ([("/other", "")], {}, [])
