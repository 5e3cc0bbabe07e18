"""Drives a real VS Code: code-server with the packaged extension, seen through a headless Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Page

PATIENCE_MS = 90_000
"""On a machine that others use; it costs nothing where all goes well."""
GHOST = ".ghost-text-decoration, .ghost-text"

QUIET = {
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.colorTheme": "Default Dark Modern",
    "chat.disableAIFeatures": True,
    "remote.autoForwardPorts": False,
    "telemetry.telemetryLevel": "off",
    "editor.minimap.enabled": False,
    "editor.fontSize": 14,
}


class CodeServer:
    """A running code-server with one extension installed. ``environment`` is laid over this process's own."""

    def __init__(self, program: Path, extension: Path, environment: Mapping[str, str] | None = None) -> None:
        # Socket paths are limited to about 100 bytes, so not under pytest's deep folders.
        self.home = Path(tempfile.mkdtemp(prefix="mellum-vscode-"))
        self.configure({})
        folders = {
            f"XDG_{name}_HOME": str(self.home / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")
        }
        (self.home / "runtime").mkdir(mode=0o700)
        runtime = {"XDG_RUNTIME_DIR": str(self.home / "runtime")}
        together = {**os.environ, **folders, **runtime, **(environment or {})}
        data, extensions = self.home / "data", self.home / "extensions"
        base = [str(program), "--user-data-dir", str(data), "--extensions-dir", str(extensions)]
        install = [*base, "--install-extension", str(extension)]
        subprocess.run(install, env=together, check=True, capture_output=True, timeout=180)
        self.address = f"127.0.0.1:{_free_port()}"
        options = ["--auth", "none", "--bind-addr", self.address]
        options += ["--disable-telemetry", "--disable-update-check", "--reconnection-grace-time", "1"]
        self._process = subprocess.Popen(
            [*base, *options],
            env=together,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_it_answers()

    def configure(self, settings: Mapping[str, object]) -> None:
        """Begin with the settings anew: `QUIET` and ``settings``.

        VS Code reads what concerns the machine, such as which program runs, from the machine's own file.
        """
        ours = {name: value for name, value in settings.items() if name.startswith("mellum.")}
        others = {name: value for name, value in settings.items() if name not in ours}
        for name, content in {"User": {**QUIET, **others}, "Machine": ours}.items():
            file = self.home / "data" / name / "settings.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content), "utf-8")

    def settings(self) -> dict[str, object]:
        """The user's settings as they are now, those of this machine included."""
        files = [self.home / "data" / name / "settings.json" for name in ("User", "Machine")]
        return {name: value for file in files for name, value in _read_json(file).items()}

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def _wait_until_it_answers(self) -> None:
        def answers() -> bool:
            with contextlib.suppress(OSError), urlopen(f"http://{self.address}/healthz", timeout=2):
                return True
            return False

        wait_until(answers, "code-server answers")


class Window:
    """A VS Code window on a folder, or on a ``.code-workspace`` file."""

    def __init__(self, page: Page, server: CodeServer, opened: Path) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE_MS)
        kind = "folder" if opened.is_dir() else "workspace"
        page.goto(f"http://{server.address}/?{kind}={opened}")
        page.locator(".statusbar-item", has_text="Mellum").wait_for()

    # ---- files

    def open(self, name: str) -> None:
        self.page.keyboard.press("Control+p")
        self.page.locator(".quick-input-widget input").fill(name)
        self.page.locator(".quick-input-list .monaco-list-row", has_text=name).first.wait_for()
        self.page.keyboard.press("Enter")
        self.page.locator(".tab.active", has_text=name).wait_for()
        if not name.endswith(".ipynb"):  # a cell has no focus before it is clicked
            self.wait_until_editable()

    def wait_until_editable(self) -> None:
        """Until the editor has the focus, and its part for ghosts.

        VS Code makes that part when it has nothing else to do, seconds later on a busy machine, and never
        asks for what was typed before; but at once where somebody asks for a suggestion.
        """
        self.page.locator(".monaco-editor.focused .view-line").first.wait_for()
        self.press("Alt+Backslash")

    def save(self, file: Path, expected: bytes) -> None:
        """Until the ``file`` on disk is as ``expected``."""
        self.press("Control+s")
        try:
            wait_until(lambda: file.read_bytes() == expected, "the file is as expected")
        except AssertionError:
            assert file.read_bytes() == expected

    # ---- keys and commands

    def type(self, text: str) -> None:
        self.page.keyboard.type(text, delay=30)

    def new_line(self, indentation: int = 4) -> None:
        """Go on in a new line, indented so far also where VS Code does not know yet how the language is."""
        self.press("Enter", "Shift+Home")
        self.type(" " * indentation)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def command(self, title: str) -> None:
        """Run a command by its title, as in the command palette."""
        self.press("F1")
        self.page.locator(".quick-input-widget input").fill(f">{title}")
        self.choose(title)

    def choose(self, label: str) -> None:
        """An entry of the list that is open."""
        self.page.locator(".quick-input-list .monaco-list-row", has_text=label).first.click()

    def click(self, button: str) -> None:
        """A button of a notification or of a dialog."""
        named = self.page.get_by_role("button", name=button, exact=True)
        self.page.locator(".notification-toast, .monaco-dialog-box").locator(named).first.click()

    # ---- what is seen

    def wait_for_ready(self) -> None:
        """Until the server is: the extension's item in the status bar shows this icon then."""
        self.page.locator(".statusbar-item .codicon-sparkle").wait_for()

    def wait_for_trouble(self) -> None:
        """Until the server is not ready any more."""
        self.page.locator(".statusbar-item .codicon-sparkle").wait_for(state="hidden")

    def wait_for_status(self, text: str) -> None:
        self.page.locator(".statusbar-item", has_text=re.compile(rf"Mellum: {text}")).wait_for()

    def open_menu(self, model: str) -> None:
        """The menu behind the status, whose title names the model that is served."""
        self.page.locator(".statusbar-item", has_text="Mellum").click()
        self.page.locator(".quick-input-title", has_text=f"Mellum · {model}").wait_for()

    def wait_for_model(self, model: str) -> None:
        """Until the status names no trouble and its menu the ``model``."""
        self.wait_for_ready()
        self.open_menu(model)
        self.press("Escape")

    def wait_for_notification(self, text: str) -> None:
        self.page.locator(".notification-toast", has_text=text).first.wait_for()

    def wait_for_ghost(self, text: str) -> None:
        """Until the ghost reads ``text``, but for space: it is drawn as many elements.

        Its first line is a decoration of the line; what follows is drawn in a zone of its own.
        """
        self.page.wait_for_function(
            """([selectors, text]) => selectors.flatMap(s => [...document.querySelectorAll(s)])
                 .map(part => part.textContent).join("").replaceAll(/\\s/g, "") === text""",
            arg=[GHOST.split(", "), "".join(text.split())],
        )

    def wait_for_no_ghost(self) -> None:
        self.page.wait_for_function("s => document.querySelectorAll(s).length === 0", arg=GHOST)

    def webview(self) -> FrameLocator:
        """The content of the page that an extension shows."""
        return self.page.frame_locator("iframe.webview.ready").frame_locator("#active-frame")


@contextmanager
def window(browser: Browser, server: CodeServer, opened: Path, picture: Path) -> Iterator[Window]:
    """A window on ``opened``; what was last seen of it is kept as ``picture``."""
    context = browser.new_context(viewport={"width": 1000, "height": 640})
    page = context.new_page()
    try:
        yield Window(page, server, opened)
    finally:
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)
        # Leaving the page ends the extension's host, and with it the server; closing it alone would not.
        with contextlib.suppress(Exception):
            page.goto("about:blank")
        context.close()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_MS / 1000) -> None:
    """Until ``condition`` holds. Raises `AssertionError` where it does not come to that."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it never came to this: {what}"
        time.sleep(0.05)


def processes(*words: str) -> list[int]:
    """The processes whose command line holds all ``words``."""
    found = []
    for folder in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", folder.name):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if all(word in line for word in words):
                found.append(int(folder.name))
    return found


def _read_json(file: Path) -> dict[str, object]:
    """An object in a file that VS Code may just be writing."""
    read: dict[str, object] = {}

    def is_whole() -> bool:
        with contextlib.suppress(json.JSONDecodeError):
            read.update(json.loads(file.read_text("utf-8")))
            return True
        return False

    wait_until(is_whole, f"{file} is whole")
    return read


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
