"""What a person sees who installs the extension: VS Code in a browser, the packaged extension, real server.

Runs where `tests/editors/get_code_server.sh` has been run, the extension is packaged (`npm run package`), and
the Python package playwright and a Chromium are installed; elsewhere it is skipped with the reason.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import EDITORS, SERVER
from neovim import REPOSITORY
from vscode import CodeServer, Window, server_processes

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.editor, pytest.mark.slow]

PROGRAM = EDITORS / "vscode" / "code-server"
PICTURES = REPOSITORY / ".cache" / "pictures"

SCRIPT = [
    {"after": "def add(a, b):\n    ", "text": "return a + b"},
    {"after": "for name in names:\n    ", "text": "if name:\n        print(name)"},
    {"after": "t = '👩‍👧é'; u = ", "text": "t + '🙂'"},
]


@pytest.fixture(scope="session")
def extension() -> Path:
    packages = sorted((REPOSITORY / "editor-configs" / "vscode").glob("*.vsix"))
    if not packages:
        pytest.skip("the extension is not packaged: npm install && npm run package in editor-configs/vscode")
    return packages[-1]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not PROGRAM.exists():
        pytest.skip("no code-server: tests/editors/get_code_server.sh gets it")
    if not chromium:
        pytest.skip("no Chromium on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is missing")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_window(
    browser: Browser,
    extension: Path,
    project: Path,
    tmp_path: Path,
    write_script: Callable[[Sequence[dict[str, object]]], str],
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[str], Window]]:
    """Opens a file of the project in a VS Code whose server follows `SCRIPT`."""
    server = tmp_path / "mellum-lsp"
    server.write_text(f'#!/bin/sh\nexec "{SERVER}" "$@" --model "{write_script(SCRIPT)}"\n', "utf-8")
    server.chmod(0o755)
    code_server = CodeServer(PROGRAM, extension, {"mellum.serverPath": str(server)})
    page = browser.new_page(viewport={"width": 1000, "height": 600})

    def start(file: str) -> Window:
        window = Window(page, code_server, project)
        window.open(file)
        return window

    yield start
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{request.node.name}.png")
    page.close()
    code_server.close()


def test_a_ghost_is_shown_and_tab_accepts_it(open_window: Callable[[str], Window], project: Path) -> None:
    file = project / "a.py"
    file.write_bytes(b"x = 1\r\n")
    window = open_window("a.py")
    window.press("Control+End")

    window.type("t = '👩‍👧é'; u = ")
    window.wait_for_ghost("t + '🙂'")
    window.press("Tab")
    window.wait_for_no_ghost()
    # VS Code 1.139 leaves the caret one place short for each astral character of an accepted ghost.
    window.press("End", "Enter")
    window.type("for name in names:")
    window.press("Enter")
    window.wait_for_ghost("if name:\n        print(name)")
    window.press("Tab")
    text = "x = 1\r\nt = '👩‍👧é'; u = t + '🙂'\r\nfor name in names:\r\n    if name:\r\n        print(name)"
    window.save(file, text.encode())


def test_a_killed_server_comes_back(
    open_window: Callable[[str], Window], project: Path, tmp_path: Path
) -> None:
    file = project / "a.py"
    file.write_bytes(b"")
    window = open_window("a.py")
    window.type("def add(a, b):")
    window.press("Enter")
    window.wait_for_ghost("return a + b")

    script = str(tmp_path / "script.json")
    (server,) = server_processes(script)
    os.kill(server, signal.SIGKILL)
    end = time.monotonic() + 20
    while server_processes(script) in ([], [server]):
        assert time.monotonic() < end, "the server was not started again"
        time.sleep(0.1)
    window.type("ret")
    window.wait_for_ghost("urn a + b")
    window.press("Tab")
    window.save(file, b"def add(a, b):\n    return a + b")
