# ruff: noqa: E501
"""Our reading of ignore files is git's own, on random trees; and what git does not know of."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mellum_lsp.workspace.ignore import IgnoreRules

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

NAMES = st.sampled_from(["a", "b", "c.py", "d.txt", "build", "x y", "é.py", "[q]"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.sampled_from(
    ["a", "b/", "/a", "*.py", "!*.py", "!c.py", "build/", "/build", "a/b", "a/**", "**/c.py", "!a/", "!/a/b/", "**/", "a**", "**", "**a", "[!a]", "/**/c.py", "/*", "!**/d.txt", "b\\\\", "\\!a", "[a", "a/**/d.txt",
     "a/*", "!a/c.py", "?.txt", "[ab]", "x\\ y", "# comment", "", "*", "!*/", "\\[q\\]", "**/build/**", "d.*  "]
)  # fmt: skip
RULES = st.lists(PATTERNS, max_size=5)


def git(folder: Path, *arguments: str, text: str = "") -> str:
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(folder),
    }
    environment["XDG_CONFIG_HOME"] = str(folder / ".config")
    return subprocess.run(
        ["git", "-c", "core.quotePath=false", *arguments],
        cwd=folder, input=text, capture_output=True, text=True, check=False, env=environment,
    ).stdout  # fmt: skip


def make_tree(root: Path, files: list[str], rules: dict[str, list[str]]) -> list[str]:
    made = []
    for path in files:
        try:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("x")
            made.append(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue  # one name cannot be a file and a folder
    for folder, lines in rules.items():
        if (root / folder).is_dir():
            (root / folder / ".gitignore").write_text("\n".join(lines) + "\n")
    return made


@needs_git
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(PATHS, min_size=1, max_size=8, unique=True),
    top=RULES,
    nested=st.dictionaries(st.sampled_from(["a", "b", "a/b", "build"]), RULES, max_size=2),
    info=RULES,
)
def test_agrees_with_git_check_ignore(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[str],
    top: list[str],
    nested: dict[str, list[str]],
    info: list[str],
) -> None:
    root = tmp_path_factory.mktemp("tree")
    git(root, "init", "-q")
    made = make_tree(root, files, {"": top, **nested})
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "exclude").write_text("\n".join(info) + "\n")
    told = git(root, "check-ignore", "--no-index", "--stdin", text="\n".join(made) + "\n").splitlines()
    ignored = {line.strip('"').replace("\\\\", "\\") for line in told}
    rules = IgnoreRules(root)
    assert {path for path in made if rules.ignores(path)} == ignored
    shutil.rmtree(root)


def test_the_nearest_rule_file_wins(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".gitignore").write_text("*.py\n")
    (tmp_path / "sub" / ".gitignore").write_text("!kept.py\n")
    rules = IgnoreRules(tmp_path)
    assert not rules.ignores("sub/kept.py")
    assert rules.ignores("sub/other.py")


def test_an_ignore_file_wins_over_a_gitignore_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("data.py\n")
    (tmp_path / ".ignore").write_text("!data.py\nsecond.py\n")
    rules = IgnoreRules(tmp_path)
    assert not rules.ignores("data.py")
    assert rules.ignores("second.py")


def test_our_own_setting_wins_over_everything(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("!vendor/\n")
    rules = IgnoreRules(tmp_path, ["vendor/"])
    assert rules.ignores("vendor/x.py")
    assert not rules.ignores("own/x.py")


def test_rules_above_the_folder_count_within_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / ".gitignore").write_text("package/out/\n/only_top.py\n")
    rules = IgnoreRules(tmp_path / "package")
    assert rules.ignores("out/x.py")
    assert not rules.ignores("only_top.py")


@needs_git
def test_the_users_global_excludes_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "config" / "git").mkdir(parents=True)
    (tmp_path / "config" / "git" / "ignore").write_text("scratch.py\n")
    (tmp_path / "project").mkdir()
    assert IgnoreRules(tmp_path / "project").ignores("scratch.py")


def test_folders_of_tools_are_never_entered(tmp_path: Path) -> None:
    rules = IgnoreRules(tmp_path)
    assert rules.ignores("web/node_modules/left-pad/index.js")
    assert rules.ignores(".git/config")
    assert not rules.ignores("node_modules.py")
