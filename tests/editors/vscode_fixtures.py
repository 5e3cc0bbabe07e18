"""What the tests of the VS Code extension share: one code-server, a Chromium, and windows on projects.

They run where `make test-vscode` has set up code-server, playwright and the package; elsewhere they are
skipped with the reason.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from neovim import REPOSITORY
from vscode import CodeServer, Window, window

from mellum_lsp.feedback.events import Event
from mellum_lsp.feedback.store import FeedbackStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SERVER = Path(sys.executable).with_name("mellum-lsp")
PROGRAM = REPOSITORY / ".cache" / "editors" / "vscode" / "code-server"
EXTENSION = REPOSITORY / "editor-configs" / "vscode"
PICTURES = REPOSITORY / ".cache" / "pictures"
SET_UP = "`make test-vscode` sets it up"

Script = Sequence[Mapping[str, object]]
OpenWindow = Callable[..., Window]


@pytest.fixture(scope="session")
def package() -> Path:
    """The packaged extension, as new as its sources."""
    packages = sorted(EXTENSION.glob("*.vsix"))
    if not packages:
        pytest.skip(f"the extension is not packaged: {SET_UP}")
    sources = [*EXTENSION.glob("src/**/*.ts"), EXTENSION / "package.json"]
    if max(file.stat().st_mtime for file in sources) > packages[-1].stat().st_mtime:
        pytest.skip(f"{packages[-1].name} is older than its sources: {SET_UP}")
    return packages[-1]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not PROGRAM.exists():
        pytest.skip(f"no code-server: {SET_UP}")
    if not chromium:
        pytest.skip("no Chromium on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason=f"no playwright: {SET_UP}")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def code_server(browser: Browser, package: Path) -> Iterator[CodeServer]:
    # Nothing called mellum-lsp may be on its PATH: a test says where the server is, or that there is none.
    running = CodeServer(PROGRAM, package, {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    yield running
    running.close()


@pytest.fixture
def server_state(tmp_path: Path) -> Path:
    """The server's state folder."""
    return tmp_path / "state"


@pytest.fixture
def feedback(server_state: Path) -> Callable[[], list[Event]]:
    """What the server has recorded so far."""
    return FeedbackStore(server_state / "mellum-lsp" / "feedback.sqlite3").read


@pytest.fixture
def write_server(tmp_path: Path, server_state: Path) -> Callable[..., Path]:
    """Writes a program that is the real server, with folders of its own and with ``variables``."""

    def write(model: str = "", **variables: str) -> Path:
        lines = [
            f'export {name}="{value}"'
            for name, value in {"XDG_STATE_HOME": server_state, **variables}.items()
        ]
        serve = f'exec "{SERVER}" "$@" --model "{model}"' if model else f'exec "{SERVER}" "$@"'
        program = tmp_path / "bin" / "mellum-lsp"
        program.parent.mkdir(exist_ok=True)
        lines.append(f'case "$1" in serve) {serve};; *) exec "{SERVER}" "$@";; esac')
        program.write_text("\n".join(["#!/bin/sh", *lines, ""]), "utf-8")
        program.chmod(0o755)
        return program

    return write


@pytest.fixture
def open_window(
    browser: Browser,
    code_server: CodeServer,
    project: Path,
    write_server: Callable[..., Path],
    write_script: Callable[[Script], str],
    request: pytest.FixtureRequest,
) -> Iterator[OpenWindow]:
    """Opens a window, and in it a file, whose server follows a script unless it is told otherwise."""
    with ExitStack() as stack:

        def start(
            file: str = "",
            script: Script = (),
            *,
            opened: Path | None = None,
            server: Path | None = None,
            settings: Mapping[str, object] | None = None,
        ) -> Window:
            program = server or write_server(write_script(script))
            # An engine ends with its editor: no process is left behind.
            own = {"mellum.serverPath": str(program), "mellum.engine.idleSeconds": 0}
            code_server.configure({**own, **(settings or {})})
            picture = PICTURES / f"{request.node.name}.png"
            started = stack.enter_context(window(browser, code_server, opened or project, picture))
            if file:
                started.wait_for_ready()
                started.open(file)
            return started

        yield start


def write_workspace(path: Path, *folders: Path) -> Path:
    """A workspace of several folders."""
    path.write_text(json.dumps({"folders": [{"path": str(folder)} for folder in folders]}), "utf-8")
    return path
