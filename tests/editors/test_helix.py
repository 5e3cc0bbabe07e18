"""What a person sees who puts the project's languages.toml into Helix: real editor, server and screen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from conftest import SERVER
from neovim import REPOSITORY
from terminal import Terminal

pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed"),
]

LANGUAGES = REPOSITORY / "editor-configs" / "helix" / "languages.toml"
LOOP = [{"after": "for name in names:\n    ", "text": "if name:\n        print(name)"}]
# Without the menu's own key, Helix asks when a word has two letters.
TYPED = "    if"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the project's languages.toml as it is."""
    (tmp_path / "helix").mkdir()
    (tmp_path / "helix" / "languages.toml").write_text(LANGUAGES.read_text("utf-8"), "utf-8")
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    folders = {f"XDG_{name}": str(home) for name in ("CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME")}
    return {**os.environ, **folders, "LC_ALL": "C.UTF-8", "HELIX_LOG_LEVEL": "info", **more}


@pytest.fixture
def hx(editors: Path) -> Path:
    if not (editors / "hx").exists():
        pytest.skip("Helix could not be had here")
    return editors / "hx"


@pytest.fixture
def open_helix(
    hx: Path, home: Path, project: Path, write_script: Callable[[Sequence[dict[str, object]]], str]
) -> Iterator[Callable[..., Terminal]]:
    """Opens a file of the project; ``mellum-lsp`` on PATH follows the script."""
    opened: list[Terminal] = []

    def start(file: str, script: Sequence[dict[str, object]]) -> Terminal:
        programs = home / "bin"
        programs.mkdir()
        server = programs / "mellum-lsp"
        server.write_text(f'#!/bin/sh\nexec "{SERVER}" "$@" --model "{write_script(script)}"\n', "utf-8")
        server.chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        terminal = Terminal([hx, file], project, environment(home, PATH=path))
        opened.append(terminal)
        wait_until(lambda: "NOR" in terminal.screen(), terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close(patience_seconds=0)


def wait_until(condition: Callable[[], bool], terminal: Terminal, patience_seconds: float = 30) -> None:
    end = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < end, terminal.screen()
        time.sleep(0.05)


def wait_for_menu(helix: Terminal, label: str) -> None:
    """Helix asks once per word; while the server starts there is no answer, so ask until there is."""

    def shown() -> bool:
        if label in helix.screen():
            return True
        helix.keys("C-x")
        time.sleep(0.5)
        return label in helix.screen()

    wait_until(shown, helix)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_suggestion_of_several_lines_is_in_the_menu_and_is_inserted_to_the_byte(
    open_helix: Callable[..., Terminal], project: Path, ending: bytes
) -> None:
    file = project / "a.py"
    file.write_bytes("icon = '🎉é𝒳'".encode() + ending)
    helix = open_helix("a.py", LOOP)
    helix.text("ofor name in names:")
    helix.keys("Enter")
    helix.text(TYPED)
    wait_for_menu(helix, "if name: …")
    helix.keys("Tab")
    wait_until(lambda: "print(name)" in helix.screen().split("\n")[3], helix)
    wait_until(lambda: helix.screen().count("print(name)") == 2, helix)  # the code itself, beside the menu
    helix.keys("Enter", "Escape")
    helix.text(":wq")
    helix.keys("Enter")
    wait_until(lambda: not helix.running(), helix)
    lines = ["icon = '🎉é𝒳'", "for name in names:", "    if name:", "        print(name)", ""]
    assert file.read_bytes() == ending.join(line.encode() for line in lines)


def test_each_language_gets_mellum_and_keeps_the_servers_that_helix_gives_it(hx: Path, home: Path) -> None:
    empty = home / "without"
    empty.mkdir()
    for language in tomllib.loads(LANGUAGES.read_text("utf-8"))["language"]:
        ours, theirs = servers(hx, home, language["name"]), servers(hx, empty, language["name"])
        assert ours[0] == "mellum"
        # What newer versions of Helix add is unknown to older ones, which would complain.
        assert set(ours[1:]) <= set(theirs), language["name"]
        assert ours[1:] == theirs[: len(ours) - 1], language["name"]


def servers(hx: Path, home: Path, language: str) -> list[str]:
    done = subprocess.run(
        [hx, "--health", language],
        env=environment(home),
        capture_output=True,
        encoding="utf-8",
        timeout=20,
        check=True,
    )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    block = plain.partition("Configured language servers:")[2].partition("Configured debug adapter")[0]
    return re.findall(r"[✘✓] ([\w-]+)", block)
