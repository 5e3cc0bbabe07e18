"""How the server and its model come to a user of VS Code: found, installed, chosen, downloaded."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_hub import FakeHub, running
from tiny_gguf import write_tiny_gguf
from vscode import CodeServer, wait_until
from vscode_fixtures import SERVER, OpenWindow

pytestmark = [pytest.mark.editor, pytest.mark.slow, pytest.mark.vscode]

PACKAGE = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "mellum-lsp"
version = "9.9"
"""

BACKEND = '''
"""Builds a wheel that has one program, without asking any index for anything."""
import zipfile

def build_wheel(folder, config=None, metadata=None):
    name = "mellum_lsp-9.9-py3-none-any.whl"
    info = "mellum_lsp-9.9.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.write("mellum-lsp", "mellum_lsp-9.9.data/scripts/mellum-lsp")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: mellum-lsp\\nVersion: 9.9\\n")
        tags = "Root-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\\nGenerator: test\\n{tags}")
        wheel.writestr(f"{info}/RECORD", "")
    return name
'''


@pytest.fixture
def installable(tmp_path: Path, write_server: Callable[..., Path]) -> Path:
    """A package whose program is the server of this checkout: pip has nothing to compile nor to fetch."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PACKAGE, "utf-8")
    (folder / "backend.py").write_text(BACKEND, "utf-8")
    program = folder / "mellum-lsp"
    program.write_text(f'#!/bin/sh\nexec "{write_server()}" "$@"\n', "utf-8")
    program.chmod(0o755)
    return folder


def test_the_server_is_installed_with_consent_and_completes_with_the_embedded_model(
    open_window: OpenWindow, project: Path, code_server: CodeServer, installable: Path
) -> None:
    (project / "a.py").write_text("def area(width, height):\n    return width * height\n\n", "utf-8")
    settings = {
        "mellum.serverPath": "",
        "mellum.serverPackage": str(installable.parent / "nothing"),
        "mellum.engine.idleSeconds": 0,
        # Whatever the small model says is shown: here it matters that it speaks.
        "mellum.gate": 0,
        "mellum.minimumCharacters": 1,
    }
    window = open_window(server=installable / "mellum-lsp", settings=settings)
    window.wait_for_notification("Mellum's server was not found")
    window.wait_for_status("failed")

    # A package that is not there: the user is told, and nothing half made stays behind.
    window.click("Install…")
    window.click("Install")
    window.wait_for_notification("Mellum could not be installed")
    own = next((code_server.home / "data" / "User" / "globalStorage").glob("mellum-lsp.*"), None)
    assert own is None or not (own / "server").exists()

    code_server.configure({**settings, "mellum.serverPackage": str(installable)})
    window.page.wait_for_timeout(1000)
    window.command("Mellum: Install or Update the Server")
    window.click("Install")
    window.wait_for_ready()
    window.wait_for_model("nano-135m")
    window.open("a.py")
    window.press("Control+End")
    window.type("def perimeter(width, height):")
    window.new_line()
    window.type("return ")
    window.page.locator(".ghost-text-decoration").first.wait_for()


def test_the_server_of_the_workspaces_environment_is_found(open_window: OpenWindow, project: Path) -> None:
    program = project / ".venv" / "bin" / "mellum-lsp"
    program.parent.mkdir(parents=True)
    program.symlink_to(SERVER)
    window = open_window(settings={"mellum.serverPath": ""})
    window.wait_for_ready()


def test_a_model_is_downloaded_and_served(
    open_window: OpenWindow, tmp_path: Path, write_server: Callable[..., Path], code_server: CodeServer
) -> None:
    model = tmp_path / "made.gguf"
    write_tiny_gguf(model)
    with running(FakeHub({"someone/Tiny-GGUF/tiny.Q8_0.gguf": model.read_bytes()})) as hub:
        data = str(tmp_path / "data")
        server = write_server(HF_ENDPOINT=hub.address, XDG_DATA_HOME=data)
        window = open_window(server=server)
        window.wait_for_ready()
        window.command("Mellum: Choose a Model…")
        window.page.locator(".quick-input-list", has_text="mellum-4b-base").wait_for()
        in_use = window.page.locator(".quick-input-list .monaco-list-row", has_text="in use")
        assert "nano-135m" in in_use.inner_text()
        window.page.locator(".quick-input-widget input").fill("Another repository")
        window.choose("Another repository of Hugging Face…")
        window.page.locator(".quick-input-widget input").fill("someone/Tiny-GGUF")
        window.press("Enter")
        window.click("Download")
        wait_until(lambda: code_server.settings().get("mellum.model") == "tiny-gguf", "the model is chosen")
        listed = subprocess.run([server, "models", "path", "tiny-gguf"], capture_output=True, text=True)
        assert Path(listed.stdout.strip()).read_bytes() == model.read_bytes()
        window.wait_for_model("tiny-gguf")


def test_a_download_that_fails_says_why(
    open_window: OpenWindow, write_server: Callable[..., Path], code_server: CodeServer
) -> None:
    with running(FakeHub({}, status=503)) as hub:
        window = open_window(server=write_server(HF_ENDPOINT=hub.address))
        window.wait_for_ready()
        window.command("Mellum: Choose a Model…")
        window.choose("mellum-4b-base")
        window.page.get_by_text("verified by its SHA-256").wait_for()
        window.click("Download")
        window.wait_for_notification("mellum-4b-base could not be downloaded")
        assert "mellum.model" not in code_server.settings()
