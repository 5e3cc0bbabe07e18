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
from editors_here import EMBEDDED_MODEL, SERVER, is_ready, recorded
from neovim import REPOSITORY, Neovim
from terminal import Terminal

from mellum_lsp.workspace import languages as workspace_languages

pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed"),
]

LANGUAGES = REPOSITORY / "editor-configs" / "helix" / "languages.toml"
LOOP = [{"after": "for name in names:\n    ", "text": "if name:\n        print(name)"}]
PATIENCE_SECONDS = 80
READ_SECONDS = 0.8
"""After this, typing something else is a refusal."""

# Helix asks by itself when a word has two letters.
TYPED = "    if"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the project's languages.toml. An engine ends with its editor.

    Helix would give a server up that has not started within 20 seconds; where tests share a machine, one may
    not have.
    """
    (tmp_path / "helix").mkdir()
    start = 'args = ["serve"]\n'
    settings = "\n[language-server.mellum.config.engine]\nidleSeconds = 0\n"
    text = LANGUAGES.read_text("utf-8").replace(start, f"{start}timeout = {PATIENCE_SECONDS}\n")
    (tmp_path / "helix" / "languages.toml").write_text(text + settings, "utf-8")
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
        recording = home / "recording.jsonl"
        serve = f'exec "{SERVER}" "$@" --model "{chosen}" --record "{recording}"'
        server.write_text(f"#!/bin/sh\n{serve}\n", "utf-8")
        server.chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        terminal = Terminal([hx, file], project, environment(home, PATH=path))
        opened.append(terminal)
        wait_until(lambda: "NOR" in terminal.screen(), terminal)
        # Helix asks once for a word: before the server can answer there is no menu.
        wait_until(lambda: is_ready(recording), terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close(patience_seconds=0)


def wait_until(
    condition: Callable[[], bool], terminal: Terminal, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    end = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < end, terminal.screen()
        time.sleep(0.05)


def wait_for_menu(helix: Terminal, label: str) -> None:
    wait_until(lambda: label in helix.screen(), helix)


def leave_insert_mode(helix: Terminal) -> None:
    """Until Helix has left it: what comes right behind an escape would be read as its Alt key."""
    helix.keys("Escape")
    wait_until(lambda: "NOR" in helix.screen(), helix)


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
    helix.keys("Enter")
    leave_insert_mode(helix)
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


def test_what_is_undone_typed_through_and_refused_is_read_from_the_document(
    open_helix: Callable[..., Terminal], home: Path
) -> None:
    says = {"one": "compute(values)", "two": "commit()", "three": "consider()"}
    helix = open_helix("a.py", [{"after": f"{name} = ", "text": text} for name, text in says.items()])
    helix.text("oone = co")
    wait_for_menu(helix, says["one"])
    helix.keys("Tab", "Enter")
    wait_until(lambda: f"one = {says['one']}" in helix.screen(), helix)
    leave_insert_mode(helix)
    helix.text("u")
    wait_until(lambda: says["one"] not in helix.screen(), helix)

    helix.text("otwo = co")
    wait_for_menu(helix, says["two"])
    helix.text("mmit()")
    wait_until(lambda: ("typed through", len("mmit()")) in recorded(home), helix)
    leave_insert_mode(helix)
    helix.text("othree = co")
    wait_for_menu(helix, says["three"])
    time.sleep(READ_SECONDS)
    helix.text("unt")
    wait_until(lambda: "dismissed" in [kind for kind, _ in recorded(home)], helix)
    outcomes = [kind for kind, _ in recorded(home) if kind != "shown"]
    assert outcomes == ["accepted", "typed through", "dismissed"]


def test_a_very_long_line(open_helix: Callable[..., Terminal], project: Path) -> None:
    long = "names = [" + "'é🎉', " * 2000 + "]; last = co"
    file = project / "a.py"
    file.write_text(long + "\n", "utf-8")
    helix = open_helix("a.py", [{"after": "; last = ", "text": "count(names)"}])
    helix.keys("A", "C-x")
    wait_for_menu(helix, "count(names)")
    helix.keys("Tab", "Enter")
    leave_insert_mode(helix)
    helix.text(":wq")
    helix.keys("Enter")
    wait_until(lambda: not helix.running(), helix)
    assert file.read_text("utf-8") == long.removesuffix("co") + "count(names)\n"


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
    wait_until(lambda: "self.depth =" in helix.screen(), helix)
    helix.keys("C-x")
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
