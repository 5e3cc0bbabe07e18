"""Drives a real VS Code: code-server with the packaged extension, seen through a headless Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 45_000
GHOST = ".ghost-text-decoration, .ghost-text"

QUIET = {
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.colorTheme": "Default Dark Modern",
    "chat.disableAIFeatures": True,
    "telemetry.telemetryLevel": "off",
    "editor.minimap.enabled": False,
    "editor.fontSize": 14,
}


class CodeServer:
    """A running code-server with one extension installed; ``settings`` are those of its machine."""

    def __init__(self, program: Path, extension: Path, settings: Mapping[str, object]) -> None:
        # Socket paths are limited to about 100 bytes, so not under pytest's deep folders.
        self.home = Path(tempfile.mkdtemp(prefix="mellum-vscode-"))
        for name, content in {"User": QUIET, "Machine": settings}.items():
            (self.home / "data" / name).mkdir(parents=True)
            (self.home / "data" / name / "settings.json").write_text(json.dumps(content), "utf-8")
        folders = {
            f"XDG_{name}_HOME": str(self.home / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")
        }
        (self.home / "runtime").mkdir(mode=0o700)
        environment = {**os.environ, **folders, "XDG_RUNTIME_DIR": str(self.home / "runtime")}
        data, extensions = self.home / "data", self.home / "extensions"
        base = [str(program), "--user-data-dir", str(data), "--extensions-dir", str(extensions)]
        install = [*base, "--install-extension", str(extension)]
        subprocess.run(install, env=environment, check=True, capture_output=True, timeout=60)
        self.address = f"127.0.0.1:{_free_port()}"
        options = [
            "--auth",
            "none",
            "--bind-addr",
            self.address,
            "--disable-telemetry",
            "--disable-update-check",
        ]
        self._process = subprocess.Popen(
            [*base, *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_it_answers()

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                urlopen(f"http://{self.address}/healthz", timeout=2).close()
                return
            except OSError:
                assert time.monotonic() < end, "code-server does not answer"
                time.sleep(0.1)


class Window:
    """A VS Code window on a folder."""

    def __init__(self, page: Page, server: CodeServer, folder: Path) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://{server.address}/?folder={folder}")
        # The extension's item in the status bar shows this icon once the server is ready.
        page.locator(".statusbar-item .codicon-sparkle").wait_for()

    def open(self, name: str) -> None:
        self.page.keyboard.press("Control+p")
        self.page.locator(".quick-input-widget input").fill(name)
        self.page.locator(".quick-input-list .monaco-list-row", has_text=name).first.wait_for()
        self.page.keyboard.press("Enter")
        self.page.locator(".tab.active", has_text=name).wait_for()
        self.page.locator(".monaco-editor .view-line").first.wait_for()
        # VS Code makes an editor's lazy parts, the one for ghosts too, after its first line is drawn, and
        # never asks for what was typed before.
        self.page.wait_for_timeout(2000)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text, delay=30)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

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

    def save(self, file: Path, expected: bytes) -> None:
        """Until the ``file`` on disk is as ``expected``."""
        self.press("Control+s")
        end = time.monotonic() + PATIENCE_MS / 1000
        while file.read_bytes() != expected:
            assert time.monotonic() < end, file.read_bytes()
            time.sleep(0.05)


def server_processes(marker: str) -> list[int]:
    """The processes whose command line holds ``marker``."""
    found = []
    for folder in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", folder.name):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if marker in line and " serve" in line:
                found.append(int(folder.name))
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
