"""A walk yields what is worth reading and counts the rest; single paths are judged by the same rules."""

from __future__ import annotations

import os
from pathlib import Path

from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.walk import Walker


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x = 1\n")


def test_walks_nested_folders_in_the_order_of_names(tmp_path: Path) -> None:
    make(tmp_path, "b.py", "a/z.py", "a/b/c.py", "README.md")
    assert [found.path for found in Walker(tmp_path, IndexSettings()).walk()] == [
        "README.md", "b.py", "a/z.py", "a/b/c.py",
    ]  # fmt: skip


def test_everything_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    make(tmp_path, "a.py", ".env", "node_modules/x.js", "x.min.js", "photo.png", "big.py", "env/pyvenv.cfg")
    (tmp_path / "big.py").write_text("x" * 200)
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    walker = Walker(tmp_path, IndexSettings(max_file_bytes=100))
    assert [found.path for found in walker.walk()] == ["a.py"]
    assert walker.skipped == {
        "secret": 1, "ignored": 2, "generated": 1, "unknown type": 1, "too large": 1, "link": 1,
    }  # fmt: skip


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    make(tmp_path, "a/x.py")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert [found.path for found in Walker(tmp_path, IndexSettings()).walk()] == ["a/x.py"]


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.py")
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.py")).write_text("x = 1\n")
    except OSError:
        return  # a file system that refuses such names
    walker = Walker(tmp_path, IndexSettings())
    assert [found.path for found in walker.walk()] == ["a.py"]
    assert walker.skipped == {"unreadable": 1}


def test_at_most_so_many_files(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "b.py", "c.py")
    walker = Walker(tmp_path, IndexSettings(max_files=2))
    assert len(list(walker.walk())) == 2
    assert walker.skipped["too many files"] == 1


def test_single_paths_are_judged_as_in_a_walk(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "sub/b.py", ".env", "node_modules/x.js", "out/c.py")
    (tmp_path / ".gitignore").write_text("out/\n")
    (tmp_path / "linked").symlink_to(tmp_path / "sub")
    walker = Walker(tmp_path, IndexSettings())
    walked = {found.path: found for found in walker.walk()}
    assert set(walked) == {"a.py", "sub/b.py"}
    for path in [
        "a.py",
        "sub/b.py",
        ".env",
        "node_modules/x.js",
        "out/c.py",
        "linked/b.py",
        "sub",
        "gone.py",
    ]:
        assert walker.find(path) == walked.get(path)


def test_a_document_that_is_not_on_disk_is_judged_by_its_path(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("out/\n")
    walker = Walker(tmp_path, IndexSettings())
    assert walker.allows("new.py")
    assert not walker.allows("out/new.py")
    assert not walker.allows(".env")
