"""What the live index has still to do: noted by anybody, taken by one, settled when nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.retrieval.agenda import Agenda, Due
from mellum_lsp.retrieval.messages import Document, Scan, Update
from mellum_lsp.workspace.settings import IndexSettings

AT_ONCE = IndexSettings(debounce_ms=0, document_debounce_ms=0)
NOBODY = False


@pytest.fixture
def agenda(monkeypatch: pytest.MonkeyPatch) -> Agenda:
    monkeypatch.setattr("mellum_lsp.retrieval.agenda._TICK_SECONDS", 0)
    return Agenda(AT_ONCE)


def settle(agenda: Agenda) -> list[str]:
    """One look of the thread that works, while no worker does; tells whether all was done."""
    told: list[str] = []
    agenda.wait(lambda: NOBODY, lambda: told.append("settled"))
    return told


def scans(due: Due) -> list[tuple[str, str]]:
    return due.work.scans


def test_a_folder_is_watched_and_scanned_and_then_all_is_done(agenda: Agenda, tmp_path: Path) -> None:
    agenda.add_folder(tmp_path)
    assert not agenda.settled.is_set()
    due = agenda.take()
    assert (due.to_watch, scans(due), due.to_close) == ([str(tmp_path)], [(str(tmp_path), "")], set())
    assert settle(agenda) == ["settled"]
    assert agenda.settled.is_set()
    assert settle(agenda) == [], "told once"


def test_nothing_is_done_while_a_worker_is_at_it(agenda: Agenda, tmp_path: Path) -> None:
    agenda.add_folder(tmp_path)
    agenda.take()
    agenda.wait(lambda: True, lambda: pytest.fail("it is not"))
    assert not agenda.settled.is_set()


def test_a_document_outside_of_all_folders_brings_its_own_and_takes_it_along(
    agenda: Agenda, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    for document in (one, other):
        assert agenda.document(document, "x = 1\n") == (str(tmp_path), document.name)
    assert agenda.is_loose(str(tmp_path))
    assert agenda.root_of("", "one.py") == str(tmp_path)
    agenda.document_closed(one)
    assert str(tmp_path) in agenda
    agenda.document_closed(other)
    assert not agenda
    assert agenda.take().to_close == {str(tmp_path)}


def test_secrets_bring_nothing(agenda: Agenda, tmp_path: Path) -> None:
    assert agenda.document(tmp_path / ".env", "KEY=1\n") is None
    assert not agenda


def test_what_died_with_a_worker_is_asked_again_unless_nobody_wants_it(
    agenda: Agenda, tmp_path: Path
) -> None:
    root = str(tmp_path)
    agenda.add_folder(tmp_path)
    agenda.document(tmp_path / "open.py", "newest\n")
    agenda.take()
    agenda.lost(
        [
            Update(1, root, ["a.py"]),
            Document(2, root, "open.py", "older\n"),
            Document(3, root, "closed.py", "gone\n"),
        ]
    )
    work = agenda.take().work
    assert work.paths == {root: ["a.py"]}
    assert work.documents == [(root, "open.py", "newest\n")]
    agenda.lost([Scan(4, root, {}, "below", False)])
    assert scans(agenda.take()) == [(root, "below")]


def test_open_documents_are_judged_anew_by_changed_rules(agenda: Agenda, tmp_path: Path) -> None:
    root = str(tmp_path)
    agenda.add_folder(tmp_path)
    agenda.document(tmp_path / "open.py", "text\n")
    agenda.take()
    agenda.path_changed(root, ".gitignore")
    assert agenda.take().to_watch == [root]
    agenda.done(root, scanned=True, to_scan=[])
    assert agenda.take().work.documents == [(root, "open.py", "text\n")]
    agenda.done(root, scanned=True, to_scan=["pkg"])
    due = agenda.take()
    assert (due.work.documents, scans(due)) == ([], [(root, "pkg")])


def test_the_end_is_told_to_who_waits(agenda: Agenda) -> None:
    agenda.end()
    assert not agenda.wait(lambda: NOBODY, lambda: None)
