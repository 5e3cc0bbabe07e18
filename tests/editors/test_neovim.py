"""What a person sees who installs the plugin in Neovim: real editor, real plugin, real server."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from editors_here import EMBEDDED_MODEL, every_neovim
from neovim import Neovim, NeovimInTmux

pytestmark = pytest.mark.editor

ADD = [{"after": "def add(a, b):\n    ", "text": "return a + b"}]
LOOP = [{"after": "for name in names:\n    ", "text": "if name:\n        print(name)"}]

OpenNeovim = Callable[..., Neovim]

# Longer than Neovim waits before it asks (200 ms) and the scripted server needs to answer.
SETTLED_SECONDS = 0.6


def test_a_ghost_is_shown_and_tab_accepts_it(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.text("idef add(a, b):")
    nvim.keys("<CR>")
    ghost = nvim.wait_for_ghost()
    assert (ghost.row, ghost.column, ghost.text) == (1, 4, "return a + b")
    assert nvim.lines == ["def add(a, b):", "    "], "a ghost is not text"

    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines == ["def add(a, b):", "    return a + b"], "the accepted text")
    assert nvim.cursor == (1, len("    return a + b"))
    assert nvim.ghost is None


@every_neovim
@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_the_ghost_is_on_the_screen_before_and_between_real_lines(
    open_neovim: OpenNeovim, project: Path, version: str
) -> None:
    (project / "a.py").write_text("names = []\ndone = True\n", "utf-8")
    nvim = open_neovim("a.py", LOOP, kind=NeovimInTmux, version=version)
    nvim.text("ofor name in names:")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    expected = ["names = []", "for name in names:", "    if name:", "        print(name)", "done = True"]
    nvim.wait_for(lambda: [line.rstrip() for line in nvim.screen().split("\n")][:5] == expected, "the screen")


def test_several_lines_are_shown_and_accepted_with_their_indentation(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", LOOP)
    nvim.text("ifor name in names:")
    nvim.keys("<CR>")
    assert nvim.wait_for_ghost().text == "if name:\n        print(name)"
    nvim.keys("<Tab>")
    expected = ["for name in names:", "    if name:", "        print(name)"]
    nvim.wait_for(lambda: nvim.lines == expected, "the accepted text")
    assert nvim.cursor == (2, len("        print(name)"))


@every_neovim
def test_a_crlf_file_with_emoji_keeps_every_byte(
    open_neovim: OpenNeovim, project: Path, version: str
) -> None:
    (project / "a.py").write_bytes("# 🎉 naïve 𝒳\r\nname = '👩‍👧'\r\n".encode())
    nvim = open_neovim("a.py", [{"after": "t = '👩‍👧é'; u = ", "text": "t + '🙂'"}], version=version)
    nvim.keys("G")
    nvim.text("ot = '👩‍👧é'; u = ")
    assert nvim.wait_for_ghost().text == "t + '🙂'"
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines[-1].endswith("u = t + '🙂'"), "the accepted text")
    nvim.keys("<Esc>")
    nvim.command("write")
    expected = "# 🎉 naïve 𝒳\r\nname = '👩‍👧'\r\nt = '👩‍👧é'; u = t + '🙂'\r\n"
    assert (project / "a.py").read_bytes() == expected.encode()


def test_several_accepted_lines_end_as_the_file_does(open_neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_bytes(b"names = []\r\n")
    nvim = open_neovim("a.py", LOOP)
    nvim.keys("G")
    nvim.text("ofor name in names:")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: len(nvim.lines) == 4, "the accepted text")
    nvim.keys("<Esc>")
    nvim.command("write")
    text = b"names = []\r\nfor name in names:\r\n    if name:\r\n        print(name)\r\n"
    assert (project / "a.py").read_bytes() == text


@every_neovim
def test_closers_behind_the_caret_are_not_doubled(open_neovim: OpenNeovim, version: str) -> None:
    nvim = open_neovim("a.py", [{"after": "print(", "text": "add(1, 2))"}], version=version)
    nvim.text("iprint()")
    nvim.keys("<Left>")
    nvim.wait_for_ghost()
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines == ["print(add(1, 2))"], "the accepted text")


def test_typing_what_the_ghost_says_keeps_it(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.text("idef add(a, b):")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.text("ret")
    ghost = nvim.ghost
    assert ghost
    assert ghost.text == "urn a + b", "at once, without waiting for the server"
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines[-1] == "    return a + b", "the accepted text")


def test_typing_something_else_hides_the_ghost_and_tab_is_tab(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.text("idef add(a, b):")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.text("x")
    assert nvim.ghost is None, "Neovim alone would show 'eturn a + b'"
    nvim.keys("<Tab>")
    time.sleep(SETTLED_SECONDS)
    assert nvim.lines[-1] == "    x   "


def test_a_bracket_closed_by_the_editor_hides_a_ghost_that_counts_on_the_old_line(
    open_neovim: OpenNeovim,
) -> None:
    nvim = open_neovim("a.py", [{"after": "total = ", "text": "sum(values)"}])
    nvim.text("itotal = ")
    nvim.wait_for_ghost()
    nvim.command("inoremap ( ()<Left>")
    nvim.text("sum(")
    assert nvim.ghost is None
    assert nvim.lines == ["total = sum()"]


def test_nothing_to_say_leaves_no_ghost_behind(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.text("idef add(a, b):")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.text("pass")
    nvim.keys("<CR>")
    silent = "return require('mellum').status() == 'mellum: silent, empty'"
    nvim.wait_for(lambda: nvim.lua(silent), "the server's answer")
    assert nvim.ghost is None
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines == ["def add(a, b):", "    pass", "    "], "an ordinary tab")


def test_a_late_answer_that_no_longer_follows_is_not_shown(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", [{"after": "x = ", "text": "compute()", "seconds": 0.4}])
    nvim.text("ix = ")
    time.sleep(0.35)
    nvim.text("7")
    seen = []
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        seen.append(nvim.ghost)
    assert set(seen) == {None}
    assert nvim.lines == ["x = 7"]


def test_word_and_line_are_accepted_in_parts(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", LOOP)
    nvim.text("ifor name in names:")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.keys("<M-Right>")
    nvim.wait_for(lambda: nvim.lines[-1] == "    if", "the first word")
    assert nvim.wait_for_ghost().text == " name:\n        print(name)"
    nvim.keys("<M-C-Right>")
    nvim.wait_for(lambda: nvim.lines[-1] == "    if name:", "the rest of the line")


def test_a_dismissed_ghost_stays_away_until_the_next_key(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.text("idef add(a, b):")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.keys("<C-]>")
    nvim.wait_for(lambda: nvim.ghost is None, "the end of the ghost")
    time.sleep(SETTLED_SECONDS)
    assert nvim.ghost is None
    assert nvim.lines[-1] == "    "


def test_undo_takes_back_the_ghost_and_leaves_what_was_typed(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.text("idef add(a, b):")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.text("ret")
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines[-1] == "    return a + b", "the accepted text")
    nvim.keys("<Esc>u")
    assert nvim.lines == ["def add(a, b):", "    ret"]


def test_tab_keeps_the_meaning_it_had(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD, options="keymaps = { accept = '<C-l>' }")
    nvim.lua(
        """
        vim.keymap.set("i", "<C-k>", function() return "mapped" end, { expr = true })
        require("mellum").setup({ keymaps = { accept = "<C-k>" } })
        """
    )
    nvim.text("i")
    nvim.keys("<C-k>")
    nvim.wait_for(lambda: nvim.lines == ["mapped"], "the earlier mapping")


def test_the_server_is_told_where_the_caret_rests(open_neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("one\nx = '🎉' + y\n", "utf-8")
    nvim = open_neovim("a.py", ADD)
    nvim.lua(
        """
        local client = vim.lsp.get_clients({ name = "mellum" })[1]
        local notify = client.notify
        _G.places, _G.encoding = {}, client.offset_encoding
        client.notify = function(self, method, params)
          if method == "mellum/didMoveCaret" then table.insert(_G.places, params.position) end
          return notify(self, method, params)
        end
        """
    )
    nvim.keys("j$")
    column = {"utf-8": 13, "utf-16": 11, "utf-32": 10}[nvim.lua("return _G.encoding")]
    place = {"line": 1, "character": column}
    nvim.wait_for(lambda: nvim.lua("return _G.places") == [place], "one message of the last place")


@every_neovim
def test_a_killed_server_comes_back(open_neovim: OpenNeovim, version: str) -> None:
    nvim = open_neovim("a.py", ADD, version=version)
    nvim.text("idef add(a, b):")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    server = nvim.server_pid()
    os.kill(server, signal.SIGKILL)
    nvim.wait_for(lambda: nvim.ghost is None, "the end of the dead server's ghost")
    nvim.wait_for(lambda: nvim.server_pid() not in (None, server), "the next server")
    nvim.wait_for_client()
    nvim.text("ret")
    nvim.wait_for_ghost("urn a + b")
    assert nvim.lines == ["def add(a, b):", "    ret"], "no text is lost"


def test_a_missing_server_is_reported_with_a_hint(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    # The plugin looks on PATH and into the checkout that it lies in.
    nvim.lua("vim.fn.executable = function() return 0 end; vim.schedule(require('mellum').setup)")
    messages = nvim.wait_for(lambda: nvim.lua("return vim.fn.execute('messages')"), "a message")
    assert "the server was not found" in messages
    assert "hint: install it" in messages


@every_neovim
@pytest.mark.skipif(not EMBEDDED_MODEL.exists(), reason="the embedded model is not built in this checkout")
def test_the_embedded_model_completes(open_neovim: OpenNeovim, project: Path, version: str) -> None:
    # What any model continues: the point is the way from the keys to the ghost, not the model's taste.
    head = ["class Box:", "    def __init__(self, width, height, depth):"]
    body = ["        self.width = width", "        self.height = height"]
    (project / "shapes.py").write_text("\n".join([*head, *body]) + "\n", "utf-8")
    nvim = open_neovim("shapes.py", model=EMBEDDED_MODEL, version=version)
    nvim.wait_until_loaded()
    nvim.keys("G")
    nvim.text("oself.depth =")
    ghost = nvim.wait_for_ghost()
    assert ghost.text.split("\n")[0] == " depth"
    nvim.keys("<Tab>")
    accepted = ("        self.depth =" + ghost.text).split("\n")
    nvim.wait_for(lambda: nvim.lines[4 : 4 + len(accepted)] == accepted, "the accepted text")
    assert nvim.lines[:4] == [*head, *body]
