"""Editors that are on PATH, and whether their configuration names mellum-lsp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mellum_lsp.diagnosis.check import Check
from mellum_lsp.diagnosis.editors import check_editors

Look = Callable[[], Check]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path


@pytest.fixture
def look(home: Path) -> Look:
    return lambda: check_editors({"PATH": str(home / "bin")}, home)


def install(home: Path, program: str, version: str = "") -> None:
    path = home / "bin" / program
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_no_editor_is_no_trouble(look: Look) -> None:
    assert look().status == "ok" and "none found" in look().detail


@pytest.mark.parametrize(
    ("program", "name", "file", "text"),
    [
        ("nvim", "Neovim", ".config/nvim/lua/plugins/ai.lua", 'require("mellum").setup {}'),
        ("code", "VS Code", ".vscode/extensions/mellum-lsp.mellum-lsp-0.1.0/package.json", "{}"),
        ("codium", "VS Code", ".vscode-oss/extensions/mellum-lsp.mellum-lsp-0.1.0/package.json", "{}"),
        (
            "hx",
            "Helix",
            ".config/helix/languages.toml",
            'language-server.m = { command = "mellum-lsp", args = ["serve"] }\n'
            '[[language]]\nname = "python"\nlanguage-servers = [{ name = "m" }, "pylsp"]',
        ),
        ("emacs", "Emacs", ".emacs.d/init.el", '(setq server "mellum-lsp")'),
    ],
)
def test_an_editor_is_set_up_where_its_configuration_says_so(
    home: Path, look: Look, program: str, name: str, file: str, text: str
) -> None:
    install(home, program, "1.99.0")
    before = look()
    assert before.status == "warning" and "not set up" in before.detail and "README" in before.hint
    write(home / file, text)
    after = look()
    assert after.facts[name] == {"version": "1.99.0", "configured": True, "needs": ""}
    assert after.status == "ok"


@pytest.mark.parametrize(
    ("program", "file", "text"),
    [
        ("nvim", ".config/nvim/init.lua", '-- require("mellum").setup {}'),
        ("emacs", ".emacs", "; mellum some day"),
        ("hx", ".config/helix/languages.toml", 'language-server.mellum = { command = "mellum-lsp" }'),
        ("hx", ".config/helix/languages.toml", "no [toml"),
    ],
    ids=["comment", "comment in Lisp", "a server that no language uses", "broken"],
)
def test_a_mention_that_has_no_effect_does_not_count(
    home: Path, look: Look, program: str, file: str, text: str
) -> None:
    install(home, program)
    write(home / file, text)
    assert "not set up" in look().detail


def test_an_old_neovim_is_told_what_it_lacks(home: Path, look: Look) -> None:
    install(home, "nvim", "NVIM v0.11.4")
    write(home / ".config/nvim/init.lua", 'require("mellum").setup {}')
    assert "needs 0.12 for ghost text" in look().detail


def test_editors_do_not_find_a_program_that_is_not_on_their_path(home: Path, look: Look) -> None:
    install(home, "emacs")
    write(home / ".emacs", '"mellum-lsp"')
    assert "not on PATH" in look().hint
    install(home, "mellum-lsp")
    assert look().hint == ""


def test_a_program_that_says_nothing_is_still_an_editor(home: Path, look: Look) -> None:
    (home / "bin/nvim").write_text("not a program")
    (home / "bin/nvim").chmod(0o755)
    assert look().facts["Neovim"]["version"] == ""
