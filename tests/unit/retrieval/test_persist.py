"""What was saved comes back whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.retrieval import persist
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.workspace.settings import IndexSettings

MARK = persist.fingerprint(IndexSettings())


@pytest.fixture
def filled() -> ProjectIndex:
    index = ProjectIndex()
    for number in range(30):
        index.add(
            f"pkg/{number}.py", f"def function_{number}(value):\n    return value + {number}\n", root="/one"
        )
    index.add("pkg/1.py", "replaced = True\n", root="/one")
    index.add("pkg/1.py", "other = True\n", root="/two")
    return index


def test_comes_back_whole(filled: ProjectIndex, tmp_path: Path) -> None:
    persist.save(tmp_path / "x.index", filled.saved(), MARK)
    saved = persist.load(tmp_path / "x.index", MARK)
    assert saved is not None
    index = ProjectIndex()
    index.restore(saved)
    assert list(index.all_chunks()) == list(filled.all_chunks())
    assert index.stamps("/one") == filled.stamps("/one")
    index.add("pkg/2.py", "new = 1\n", root="/one")
    assert index.files == filled.files


def test_an_empty_index_comes_back(tmp_path: Path) -> None:
    persist.save(tmp_path / "x.index", ProjectIndex().saved(), MARK)
    assert persist.load(tmp_path / "x.index", MARK) is not None


def test_no_file_is_no_index(tmp_path: Path) -> None:
    assert persist.load(tmp_path / "none.index", MARK) is None


def test_another_version_or_other_settings_are_not_believed(filled: ProjectIndex, tmp_path: Path) -> None:
    persist.save(tmp_path / "x.index", filled.saved(), MARK)
    other = persist.fingerprint(IndexSettings(chunk_lines=99))
    assert other != MARK
    assert persist.load(tmp_path / "x.index", other) is None


def test_any_damaged_byte_is_noticed(filled: ProjectIndex, tmp_path: Path) -> None:
    path = tmp_path / "x.index"
    persist.save(path, filled.saved(), MARK)
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 300)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        assert persist.load(path, MARK) is None, place


def test_a_file_cut_short_or_too_long_is_noticed_and_removed(filled: ProjectIndex, tmp_path: Path) -> None:
    path = tmp_path / "x.index"
    persist.save(path, filled.saved(), MARK)
    whole = path.read_bytes()
    for damaged in [whole[:-1], whole[: len(whole) // 2], whole + b"x", b"", whole[:70]]:
        path.write_bytes(damaged)
        assert persist.load(path, MARK) is None
    path.write_bytes(whole[:-1])
    persist.load(path, MARK)
    assert not path.exists()


def test_only_the_user_can_read_it(filled: ProjectIndex, tmp_path: Path) -> None:
    persist.save(tmp_path / "x.index", filled.saved(), MARK)
    assert (tmp_path / "x.index").stat().st_mode & 0o077 == 0
