"""What Neovim says over the wire, with this project's plugin and with nothing but what it brings itself."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from editors_here import NEOVIMS, SERVER
from neovim import Neovim

from mellum_lsp.conformance.editors import Finding, judge
from mellum_lsp.conformance.recordings import read_recording

pytestmark = pytest.mark.editor

LOOP = [{"after": "for name in names:\n    ", "text": "if name:\n        print('🎉', name)"}]
ADD = [{"after": "def add(a, b):\n    ", "text": "return a + b"}]

STOCK = """
local M = {}
function M.last_status() end
function M.setup(options)
  vim.lsp.config("mellum", { cmd = options.cmd, filetypes = { "python" }, root_markers = { ".git" } })
  vim.lsp.enable("mellum")
  vim.lsp.inline_completion.enable()
  vim.keymap.set("i", "<Tab>", function()
    return vim.lsp.inline_completion.get() and "" or "<Tab>"
  end, { expr = true })
end
return M
"""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "recording.jsonl"


def command(script: str, recording: Path) -> str:
    """The server's command as a Lua table."""
    parts = [str(SERVER), "serve", "--model", script, "--record", str(recording)]
    return f"cmd = {{ {', '.join(map(json.dumps, parts))} }}"


def findings(nvim: Neovim, recording: Path) -> dict[str, Finding]:
    """What the recording tells, once the client has been stopped.

    (A Neovim that is quit waits for nobody: it may be gone before it has said ``exit``.)
    """
    # What is said a moment later would come behind ``shutdown``: the caret's place, after 80 ms, and changes,
    # which Neovim keeps back, but not behind a request.
    nvim.lua("pcall(vim.api.nvim_del_augroup_by_name, 'mellum.caret:' .. vim.api.nvim_get_current_buf())")
    nvim.lua("vim.wait(100)")
    nvim.keys("<Esc>")
    nvim.lua("vim.lsp.buf_request_sync(0, 'mellum/status', vim.empty_dict(), 60000)")
    nvim.lua("for _, client in ipairs(vim.lsp.get_clients()) do vim.lsp.stop_client(client.id) end")
    nvim.wait_for(lambda: '"method":"exit"' in recording.read_text().replace(" ", ""), "the session's end")
    (session,) = read_recording(recording)
    assert session.client.startswith("Neovim 0.")
    return {one.name: one for one in judge(session, time.time())}


def results(found: dict[str, Finding]) -> dict[str, str]:
    assert {name: one.message for name, one in found.items() if one.result == "failed"} == {}
    return {name: one.result for name, one in found.items()}


@pytest.mark.parametrize("version", sorted(NEOVIMS))
def test_the_plugin_tells_the_whole_life_of_a_suggestion(
    open_neovim: Callable[..., Neovim],
    write_script: Callable[..., str],
    recording: Path,
    project: Path,
    version: str,
) -> None:
    (project / "a.py").write_bytes("# naïve 🎉\r\n".encode())
    options = command(write_script(LOOP + ADD), recording)
    nvim = open_neovim("a.py", LOOP + ADD, options=options, version=version)
    nvim.wait_until_loaded()  # a replay waits for what was there by then
    nvim.keys("G$")
    nvim.wait_for(lambda: '"mellum/didMoveCaret"' in recording.read_text("utf-8"), "the caret's place")
    nvim.text("ofor name in names:")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.text("if")
    nvim.keys("<M-Right>")
    nvim.wait_for(lambda: nvim.lines[-1].startswith("    if name"), "the next word")
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines[-1] == "        print('🎉', name)", "the accepted text")
    nvim.keys("<Esc>u")
    nvim.keys("<C-r>")
    nvim.keys("<Esc>")
    nvim.command("write")
    nvim.keys("Go<C-u>")
    nvim.text("def add(a, b):")
    nvim.keys("<CR>")
    nvim.wait_for_ghost()
    nvim.keys("<C-]>")
    nvim.wait_for(lambda: nvim.ghost is None, "the end of the ghost")
    seen = results(findings(nvim, recording))
    told = ("accept", "inserted", "partial", "shown", "dismissed", "caret", "texts", "positions", "end")
    assert {name: seen[name] for name in told} == dict.fromkeys(told, "passed")

    replaying = (SERVER, "protocol", "replay", recording, "--json")
    replayed = subprocess.run(replaying, capture_output=True, timeout=60, check=False)
    report = json.loads(replayed.stdout)
    assert (report["differences"], report["violations"], replayed.returncode) == ([], [], 0)
    assert report["answers"] >= 8


def test_neovim_alone_keeps_the_protocol(
    editors: Path, write_script: Callable[..., str], recording: Path, project: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "stock"
    (plugin / "lua" / "mellum").mkdir(parents=True)
    (plugin / "lua" / "mellum" / "init.lua").write_text(STOCK, "utf-8")
    (project / "a.py").write_bytes("# naïve 🎉\r\n".encode())
    program = editors / NEOVIMS["0.12"]
    nvim = Neovim(program, project, f"{{ {command(write_script(LOOP), recording)} }}", plugin=plugin)
    try:
        nvim.command("edit a.py")
        nvim.wait_for_client()
        nvim.keys("G")
        nvim.text("ofor name in names:")
        nvim.keys("<CR>")
        namespace, nvim.namespace = nvim.namespace, "nvim.lsp.inline_completion"
        nvim.wait_for_ghost()
        nvim.keys("<Tab>")
        nvim.wait_for(lambda: nvim.lines[-1] == "        print('🎉', name)", "the accepted text")
        nvim.namespace = namespace
        nvim.keys("<Esc>")
        nvim.command("write")
        seen = results(findings(nvim, recording))
    finally:
        nvim.close()
    told = ("accept", "inserted", "texts", "positions", "versions", "replies", "end")
    assert {name: seen[name] for name in told} == dict.fromkeys(told, "passed")
    assert seen["shown"] == seen["dismissed"] == "not seen", "it tells no more than what it runs"
