"""What the Neovim plugin lets its user do beside completing: explain, pause, choose, check its health."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from editors_here import NEOVIMS, SERVER, every_neovim
from neovim import PLUGIN, Neovim, NeovimInTmux

pytestmark = pytest.mark.editor

ADD = [{"after": "def add(a, b):\n    ", "text": "return a + b"}]

OpenNeovim = Callable[..., Neovim]

SETTLED_SECONDS = 0.3
"""Longer than the plugin waits before it asks and the scripted server needs to answer."""


def type_add(nvim: Neovim) -> None:
    nvim.text("idef add(a, b):")
    nvim.keys("<CR>")


@every_neovim
def test_explain_shows_how_the_suggestion_comes_about(open_neovim: OpenNeovim, version: str) -> None:
    nvim = open_neovim("a.py", ADD, version=version)
    type_add(nvim)
    nvim.wait_for_ghost()
    nvim.text("r")
    nvim.keys("<Esc>")
    nvim.command("MellumExplain")
    page = nvim.wait_for(lambda: nvim.lines if nvim.lines[0] == "# Suggestion" else None, "the page")
    assert "    eturn a + b" in page, "behind where typing stopped, not in front of the last letter"
    for title in ("Gate", "Timings", "Steps", "Parts of the prompt", "Prompt"):
        assert f"## {title}" in page
    assert any("def add(a, b):" in line for line in page[page.index("## Prompt") :])
    assert any(line.startswith("scripted, full plan: ") for line in page)
    nvim.keys("q")
    assert nvim.lines[0] == "def add(a, b):"


@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_explain_on_the_screen(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD, kind=NeovimInTmux)
    type_add(nvim)
    nvim.wait_for_ghost()
    nvim.lua("require('mellum').explain()")
    nvim.wait_for(lambda: "    return a + b" in nvim.screen() and "# Suggestion" in nvim.screen(), "the page")


def test_pausing_here_and_everywhere(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    type_add(nvim)
    nvim.wait_for_ghost()
    nvim.command("MellumPause")
    assert nvim.ghost is None
    assert nvim.lua("return require('mellum').status()") == "mellum: paused"
    nvim.text("r")
    time.sleep(SETTLED_SECONDS)
    assert nvim.ghost is None
    nvim.command("MellumResume")
    nvim.wait_for_ghost("eturn a + b")

    nvim.keys("<Esc>")
    nvim.command("MellumToggle!")
    nvim.command("edit b.py")
    nvim.wait_for_client()
    type_add(nvim)
    time.sleep(SETTLED_SECONDS)
    assert nvim.ghost is None
    nvim.command("MellumToggle!")
    nvim.wait_for_ghost("return a + b")


def test_the_status_says_why_nothing_is_shown(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD, options="settings = { suppressIn = { 'comment' } }")
    status = "return require('mellum').status()"
    nvim.text("i# a comment ")
    nvim.wait_for(lambda: nvim.lua(status) == "mellum: silent, in a comment", "the reason")
    nvim.keys("<Esc>")
    nvim.command("help")
    assert nvim.lua(status) == "", "no server works on help"


def test_next_and_previous_go_round_what_the_server_has(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    # A script has one answer, so the server is given two more on its way to the plugin.
    nvim.lua(
        """
        local request = require("mellum.client").request
        require("mellum.client").request = function(client, name, params, handler, buffer)
          return request(client, name, params, name ~= "textDocument/inlineCompletion" and handler
            or function(err, result)
              local first = result and result.items[1]
              if first and params.context.triggerKind == 1 then
                for _, text in ipairs({ "return b", "pass" }) do
                  table.insert(result.items, vim.tbl_extend("force", first, { insertText = text }))
                end
              end
              handler(err, result)
            end, buffer)
        end
        """
    )
    type_add(nvim)
    nvim.wait_for_ghost("return a + b")
    nvim.keys("<M-]>")
    nvim.wait_for_ghost("return b  2/3")
    nvim.keys("<M-[>")
    nvim.wait_for_ghost("return a + b  1/3")
    nvim.keys("<M-[>")
    nvim.wait_for_ghost("pass  3/3")
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines[-1] == "    pass", "the accepted text")


COMMENT = [{"after": "# a comment ", "text": "of mine", "seconds": 0.3}]
SILENT_IN_COMMENTS = "settings = { suppressIn = { 'comment' } }"
"""So that only who is asked by the user says something there."""


def test_what_the_user_asks_for_is_not_lost_to_the_keys_before_it(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", COMMENT, options=SILENT_IN_COMMENTS)
    nvim.keys("i# a comment <M-]>")  # at once: Neovim tells of the text after the last of these keys
    nvim.wait_for_ghost("of mine  1/1")


def test_what_the_user_asks_for_is_not_lost_when_the_model_is_ready(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", COMMENT, options=SILENT_IN_COMMENTS)
    ready = "vim.api.nvim_exec_autocmds('User', { pattern = 'MellumReady' })"
    nvim.text("i# a comment ")
    nvim.keys("<M-]>")
    nvim.lua(ready)
    nvim.wait_for_ghost("of mine  1/1")
    nvim.lua(ready)
    time.sleep(SETTLED_SECONDS)
    assert nvim.ghost is not None
    assert nvim.ghost.text == "of mine  1/1"


def test_a_ghost_in_brackets_is_drawn_around_the_closers_that_stay(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", [{"after": "for x in f(", "text": "y):\n    g(x)"}])
    nvim.text("ifor x in f()")
    nvim.keys("<Left>")
    ghost = nvim.wait_for_ghost()
    marks = nvim.lua(
        """
        local ns = vim.api.nvim_create_namespace("mellum")
        return vim.tbl_map(function(mark)
          return { mark[3], mark[4].virt_text[1][1] }
        end, vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, { details = true }))
        """
    )
    assert marks == [[11, "y"], [12, ":"]], "the bracket between them is the one in the text"
    assert ghost.text == "y):\n    g(x)"
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines == ["for x in f(y):", "    g(x)"], "the accepted text")


def test_tabs_in_a_ghost_are_as_wide_as_in_the_text(open_neovim: OpenNeovim, project: Path) -> None:
    (project / "a.go").write_text("func f() {\n\t\n}\n", "utf-8")
    block = "if ok {\n\t\trun()\t// now\n\t}"
    nvim = open_neovim("a.go", [{"after": "func f() {\n\t", "text": block}])
    nvim.command("set tabstop=4")
    nvim.keys("jA")
    assert nvim.wait_for_ghost().text == "if ok {\n        run()   // now\n    }"
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: "\n".join(nvim.lines) == f"func f() {{\n\t{block}\n}}", "tabs in the text")


def test_checkhealth_tells_what_runs_and_who_is_in_the_way(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.lua("vim.g.loaded_copilot = 1; vim.keymap.set('i', '<Tab>', '<C-n>')")
    nvim.wait_until_loaded()
    nvim.command("checkhealth mellum")
    page = "\n".join(nvim.wait_for(lambda: nvim.lines if len(nvim.lines) > 10 else None, "the page"))
    assert "mellum-lsp, version" in page
    assert ": ready, no complaint" in page
    assert "model scripted, engine scripted" in page
    assert "copilot.vim shows ghosts too" in page
    assert "<Tab>, the key for accept, belongs to somebody else" in page


def test_commands_and_plug_mappings_and_help(open_neovim: OpenNeovim, tmp_path: Path) -> None:
    nvim = open_neovim("a.py", ADD, options="keymaps = { accept = false }")
    nvim.lua("vim.keymap.set('i', '<C-l>', '<Plug>(mellum-accept)')")
    type_add(nvim)
    nvim.wait_for_ghost()
    nvim.keys("<C-l>")
    nvim.wait_for(lambda: nvim.lines[-1] == "    return a + b", "the accepted text")
    nvim.keys("<Esc>")
    shutil.copytree(PLUGIN / "doc", tmp_path / "help" / "doc")
    nvim.command(f"set rtp+={tmp_path / 'help'} | helptags {tmp_path / 'help' / 'doc'}")
    commands = nvim.lua("return vim.tbl_keys(vim.api.nvim_get_commands({}))")
    for name in (name for name in commands if name.startswith("Mellum")):
        nvim.command(f"help :{name}")
        assert f"*:{name}*" in nvim.lua("return vim.api.nvim_get_current_line()")
    text = "\n".join(nvim.lines)
    for name in nvim.lua("return vim.tbl_keys(require('mellum.keys').defaults)"):
        assert f"<Plug>(mellum-{name.replace('_', '-')})" in text


def test_an_expression_mapping_may_call_accept(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.lua(
        """
        vim.keymap.set("i", "<C-j>", function()
          return require("mellum").accept() and "" or "none"
        end, { expr = true })
        """
    )
    type_add(nvim)
    nvim.wait_for_ghost()
    nvim.keys("<C-j>")
    nvim.wait_for(lambda: nvim.lines[-1] == "    return a + b", "the accepted text")
    nvim.keys("<C-j>")
    nvim.wait_for(lambda: nvim.lines[-1] == "    return a + bnone", "the other meaning")


class NativeNeovim(Neovim):
    """Neovim 0.12 with its own ghosts: the server is enabled, the plugin is not set up."""

    namespace = "nvim.lsp.inline_completion"


def test_neovims_own_inline_completion_without_setup(
    editors: Path, project: Path, write_script: Callable[..., str]
) -> None:
    command = ", ".join(map(json.dumps, [str(SERVER), "serve", "--model", write_script(ADD)]))
    native = (
        "require('mellum').setup = function() end\n"
        f"vim.lsp.config('mellum', {{ cmd = {{ {command} }} }})\n"
        "vim.lsp.enable('mellum')\n"
        "vim.lsp.inline_completion.enable()\n"
    )
    nvim = NativeNeovim(editors / NEOVIMS["0.12"], project, "{}", extra=native)
    try:
        nvim.command("edit a.py")
        nvim.wait_for_client()
        type_add(nvim)
        nvim.wait_for_ghost("return a + b")
        nvim.lua("vim.lsp.inline_completion.get()")
        nvim.wait_for(lambda: nvim.lines[-1] == "    return a + b", "the accepted text")
    finally:
        nvim.close()


def test_neovims_own_ghosts_are_not_drawn_over_the_plugins(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", ADD)
    nvim.command("lua vim.lsp.inline_completion.enable()")
    nvim.command("edit b.py")
    nvim.wait_for_client()
    type_add(nvim)
    nvim.wait_for_ghost("return a + b")
    time.sleep(SETTLED_SECONDS)
    native = "vim.api.nvim_create_namespace('nvim.lsp.inline_completion')"
    assert nvim.lua(f"return vim.api.nvim_buf_get_extmarks(0, {native}, 0, -1, {{}})") == []
