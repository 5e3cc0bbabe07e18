"""What the pages of editor-configs say, done as written: their examples are all that an editor is told."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from editors_here import EMBEDDED_MODEL, NEOVIMS, REPOSITORY, SERVER
from emacs import Emacs
from neovim import Neovim
from terminal import Terminal
from test_emacs import EGLOT, LSP_MODE
from vscode import processes

pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(
        not EMBEDDED_MODEL.exists(), reason="the embedded model is not built in this checkout"
    ),
    pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed"),
]

BOX = """class Box:
    def __init__(self, width, height, depth):
        self.width = width
        self.height = height
"""
"""What any model continues: the point is the way to the suggestion, not the model's taste."""


def examples(editor: str, language: str) -> list[str]:
    """The page's examples, with the reader's paths in them."""
    page = (REPOSITORY / "editor-configs" / editor / "README.md").read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    paths = {
        "/path/to/mellum-lsp/": f"{REPOSITORY}/",
        "/path/to/mellum-lsp": str(SERVER),
        "/path/to/model.gguf": str(EMBEDDED_MODEL),
    }
    for written, here in paths.items():
        found = [example.replace(written, here) for example in found]
    return found


@pytest.fixture
def box(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file to go on with; the server is on PATH. Engines, which outlive their editors, are ended."""
    monkeypatch.setenv("PATH", str(SERVER.parent), prepend=":")
    monkeypatch.setenv("TEST_OF_A_README", str(tmp_path))
    (project / "shapes.py").write_text(BOX, "utf-8")
    yield project / "shapes.py"
    mark = f"TEST_OF_A_README={tmp_path}".encode()
    for process in processes("mellum_lsp.engine.child"):
        with contextlib.suppress(OSError):
            if mark in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
                os.kill(process, signal.SIGTERM)


class TestNeovim:
    @pytest.mark.parametrize(
        ("version", "chosen"), [("0.12", "keys"), ("0.12", "options"), ("0.11", "keys"), ("0.10", "options")]
    )
    def test_the_examples_are_an_init_lua(self, editors: Path, box: Path, version: str, chosen: str) -> None:
        program = editors / NEOVIMS[version]
        if not program.exists():
            pytest.skip(f"Neovim {version} could not be had here")
        set_up, _, keymaps, mapping, statusline, options, _ = examples("neovim", "lua")
        path = set_up.splitlines()[0]
        init = {"keys": [set_up, keymaps, mapping, statusline], "options": [path, options]}[chosen]
        with closing(Neovim(program, box.parent, init="\n".join(init))) as nvim:
            nvim.command("edit shapes.py")
            nvim.wait_for_client()
            nvim.wait_until_loaded()
            nvim.keys("G")
            nvim.text("oself.depth =")
            assert nvim.wait_for_ghost().text.split("\n")[0] == " depth"
            nvim.keys("<C-l>" if chosen == "keys" else "<Tab>")
            nvim.wait_for(lambda: nvim.lines[4].startswith("        self.depth = depth"), "the accepted text")
            if chosen == "keys":
                nvim.keys("<C-j>")
                nvim.wait_for(lambda: len(nvim.lines) > 5, "the key's own meaning")
                drawn = "return vim.api.nvim_eval_statusline(vim.o.statusline, {}).str"
                nvim.wait_for(lambda: "mellum" in nvim.lua(drawn), "the statusline")
            assert "Error" not in nvim.lua("return vim.fn.execute('messages')")

    def test_what_the_page_names_is_there(self, editors: Path, box: Path) -> None:
        page = (REPOSITORY / "editor-configs" / "neovim" / "README.md").read_text("utf-8")
        set_up = examples("neovim", "lua")[0]
        with closing(Neovim(editors / NEOVIMS["0.12"], box.parent, init=set_up)) as nvim:
            for command in set(re.findall(r"`:(\w+)", page)):
                assert nvim.lua("return vim.fn.exists(':' .. ...)", command) == 2, command
            for function in set(re.findall(r"require\(.mellum.\)\.(\w+)", page)):
                assert nvim.lua("return type(require('mellum')[...])", function) == "function", function
            for key in set(re.findall(r"<Plug>\([\w-]+\)", page)):
                assert nvim.lua("return vim.fn.maparg(..., 'i')", key), key
            for group in ("MellumGhost", "MellumCount"):
                assert f"`{group}`" in page
                assert nvim.lua("return vim.fn.hlexists(...)", group) == 1
            keys = re.findall(r"^\| `([^`]+)` \| `require\(.mellum.\)\.(\w+)\(\)`", page, re.MULTILINE)
            assert dict(keys) == {
                key: name for name, key in nvim.lua("return require('mellum').keymaps()").items()
            }


class TestEmacs:
    @pytest.fixture
    def program(self, editors: Path) -> Path:
        if not (editors / "emacs").exists():
            pytest.skip("Emacs 30 with lsp-mode 10 could not be had here")
        return editors / "emacs"

    def test_lsp_mode(self, program: Path, box: Path) -> None:
        load, sooner, _, settings = examples("emacs", "elisp")
        with closing(Emacs(program, box.parent, "shapes.py", settings + load + LSP_MODE + sooner)) as emacs:
            emacs.wait_for(lambda: emacs.eval("(mellum-status)") == "mellum", "the server")
            emacs.eval("(progn (goto-char (point-max)) t)")
            emacs.text("        self.depth =")
            ghost = emacs.wait_for(lambda: emacs.ghost, "a ghost")
            assert ghost.split("\n")[0] == " depth"
            emacs.keys("Tab")
            emacs.wait_for(lambda: emacs.buffer == f"{BOX}        self.depth ={ghost}", "the accepted text")

    def test_eglot(self, program: Path, box: Path) -> None:
        load, _, eglot, _ = examples("emacs", "elisp")
        path = load.splitlines()[0]
        with closing(Emacs(program, box.parent, "shapes.py", path + eglot + EGLOT)) as emacs:
            emacs.wait_for(lambda: emacs.eval("(and (eglot-managed-p) t)"), "the server")
            emacs.eval("(progn (goto-char (point-max)) t)")
            emacs.text("        self.depth = ")

            def inserted() -> bool:
                emacs.keys("C-M-i")  # until the model is loaded there is nothing
                time.sleep(1)
                if "possible completions" in emacs.screen():
                    emacs.keys("M-Down", "M-Enter")
                return emacs.buffer.startswith(f"{BOX}        self.depth = depth")

            emacs.wait_for(inserted, "the suggestion")

    def test_what_the_page_names_is_there(self, program: Path, box: Path) -> None:
        page = (REPOSITORY / "editor-configs" / "emacs" / "README.md").read_text("utf-8")
        load = examples("emacs", "elisp")[0]
        with closing(Emacs(program, box.parent, "shapes.py", load + LSP_MODE)) as emacs:
            emacs.eval("(progn (require 'lsp-inline-completion) (require 'eglot) t)")
            names = set(re.findall(r"`(?:M-x )?([a-z]+(?:-[a-z]+)+)`", page))
            names -= {"mellum-lsp", "lsp-mode"}
            for command in names:
                assert emacs.eval(f"(and (or (commandp '{command}) (boundp '{command})) t)"), command
            for variable in re.findall(r"\b(?:mellum|lsp)-[a-z-]+(?= '?[(\"0-9])", page):
                assert emacs.eval(f"(and (or (boundp '{variable}) (fboundp '{variable})) t)"), variable
            for key, command in re.findall(r"^\| `([^`]+)`[^|]*\| `([a-z-]+)`", page, re.MULTILINE):
                bound = f"(lookup-key lsp-inline-completion-active-map (kbd {key!r}))".replace("'", '"')
                assert emacs.eval(f"(symbol-name {bound})") == command, key


class TestHelix:
    @pytest.fixture
    def helix(
        self, editors: Path, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Terminal]:
        if not (editors / "hx").exists():
            pytest.skip("Helix could not be had here")
        languages, settings, model = examples("helix", "toml")
        (tmp_path / "helix").mkdir()
        (tmp_path / "helix" / "languages.toml").write_text(languages + model, "utf-8")
        (tmp_path / "helix" / "config.toml").write_text(settings, "utf-8")
        for folder in ("CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME"):
            monkeypatch.setenv(f"XDG_{folder}", str(tmp_path))
        with closing(Terminal([editors / "hx", "shapes.py"], box.parent, os.environ)) as terminal:
            yield terminal

    def test_the_examples_are_a_configuration(self, helix: Terminal) -> None:
        end = time.monotonic() + 90
        helix_reads = "NOR"

        def wait_for(text: str, *keys: str) -> None:
            while text not in helix.screen():
                assert time.monotonic() < end, helix.screen()
                if keys:
                    helix.keys(*keys)
                time.sleep(1 if keys else 0.1)

        wait_for(helix_reads)
        helix.text("ge")
        helix.text("o")
        helix.text("self.depth = ")
        wait_for("depth text", "C-x")  # until the model is loaded there is nothing
        helix.keys("Tab", "Escape")
        wait_for("self.depth = depth")
