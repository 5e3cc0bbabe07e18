"""What a person sees who puts the project's languages.toml into Helix: real editor, server and screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import helix_languages
import pytest
from editors_here import EMBEDDED_MODEL, SERVER, recorded
from neovim import REPOSITORY, Neovim
from terminal import Terminal

from mellum_lsp.workspace import languages as workspace_languages

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
    """A home with the project's languages.toml; an engine ends with its editor."""
    (tmp_path / "helix").mkdir()
    settings = "\n[language-server.mellum.config.engine]\nidleSeconds = 0\n"
    (tmp_path / "helix" / "languages.toml").write_text(LANGUAGES.read_text("utf-8") + settings, "utf-8")
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
    """Opens a file of the project; ``mellum-lsp`` on PATH follows the script, or runs the model ``model``."""
    opened: list[Terminal] = []

    def start(
        file: str, script: Sequence[dict[str, object]] | None = None, *, model: Path | None = None
    ) -> Terminal:
        programs = home / "bin"
        programs.mkdir()
        server = programs / "mellum-lsp"
        chosen = write_script(script) if script is not None else model
        server.write_text(f'#!/bin/sh\nexec "{SERVER}" "$@" --model "{chosen}"\n', "utf-8")
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


def test_what_became_of_a_suggestion_is_recorded_though_helix_tells_only_of_acceptance(
    open_helix: Callable[..., Terminal], home: Path
) -> None:
    helix = open_helix("a.py", [{"after": "total = ", "text": "compute(values)"}])
    helix.text("ototal = co")
    wait_for_menu(helix, "compute(values)")
    helix.keys("Tab")
    wait_until(lambda: "total = compute(values)" in helix.screen().split("\n")[1], helix)
    helix.keys("Escape")
    wait_until(lambda: [kind for kind, _ in recorded(home)] == ["shown", "accepted"], helix)


def test_a_helix_and_a_neovim_on_one_project_write_to_one_store(
    open_helix: Callable[..., Terminal], open_neovim: Callable[..., Neovim], home: Path
) -> None:
    says = [{"after": "total = ", "text": "compute(values)"}]
    nvim = open_neovim("b.py", says, state=home)
    helix = open_helix("a.py", says)
    nvim.text("itotal = ")
    nvim.wait_for_ghost("compute(values)")
    nvim.keys("<Tab>")
    helix.text("ototal = co")
    wait_for_menu(helix, "compute(values)")
    helix.keys("Tab", "Escape")
    wait_until(lambda: sorted(kind for kind, _ in recorded(home)) == ["accepted"] * 2 + ["shown"] * 2, helix)


@pytest.mark.skipif(not EMBEDDED_MODEL.exists(), reason="the embedded model is not built in this checkout")
def test_the_embedded_model_completes(open_helix: Callable[..., Terminal], project: Path) -> None:
    (project / "shapes.py").write_text(
        "class Box:\n    def __init__(self, width, height, depth):\n"
        "        self.width = width\n        self.height = height\n",
        "utf-8",
    )
    helix = open_helix("shapes.py", model=EMBEDDED_MODEL)
    helix.text("geo")
    helix.text("self.depth = ")
    wait_for_menu(helix, "depth text")  # asked for by a key, there are others below it
    helix.keys("Tab", "Escape")
    wait_until(lambda: "self.depth = depth" in helix.screen(), helix)


class TestLanguages:
    def test_all_that_are_served_and_that_helix_knows_are_in_the_file(self) -> None:
        listed = {entry["name"] for entry in tomllib.loads(LANGUAGES.read_text("utf-8"))["language"]}
        assert listed == set(helix_languages.helix_names())
        assert {language.id for language in workspace_languages.LANGUAGES} >= helix_languages.UNKNOWN

    def test_each_gets_mellum_first_and_keeps_the_servers_that_helix_gives_it(self, hx: Path) -> None:
        version = subprocess.run([hx, "--version"], capture_output=True, text=True, check=True).stdout
        if "25.07" not in version:
            pytest.skip(f"the lists are those of Helix 25.07, here is {version}")
        assert LANGUAGES.read_text("utf-8") == helix_languages.generate(hx), (
            "helix_languages.py writes the file"
        )

    def test_helix_reads_it(self, hx: Path, home: Path) -> None:
        for name in ("python", "systemverilog"):
            assert helix_languages.servers(hx, home, name)[0] == "mellum"
