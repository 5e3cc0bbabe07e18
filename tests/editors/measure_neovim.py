"""Measures the way from a key to the ghost on the screen in Neovim, beside the server's own share of it.

    .venv/bin/python tests/editors/measure_neovim.py [--model PATH.gguf] [--times 30] [--neovim PROGRAM]

In the editor, a key is typed at the end of a line and the clock runs until Neovim draws a window that has the
ghost in it. The server's share is the time from its request to its answer. The same is measured with Neovim's
own inline completion, which asks 200 ms after a key. By default the server follows a script that answers at
once, so that the editor's share is seen; with `--model` a real model decodes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from conftest import EDITORS, SERVER
from neovim import Neovim

WORDS = [f"item_{number:02d}" for number in range(60)]

# Watches redraws from inside: the time at which a frame with a mark in the namespace was drawn.
WATCH = """
_G.measured = { keys = {}, drawn = {}, asked = {}, answered = {} }
local namespace = vim.api.nvim_create_namespace("NAMESPACE")
local watching = vim.api.nvim_create_namespace("measure")
local now = vim.uv.hrtime
vim.api.nvim_set_decoration_provider(watching, {
  on_win = function(_, _, buffer)
    local marks = vim.api.nvim_buf_get_extmarks(buffer, namespace, 0, -1, { limit = 1 })
    local times = _G.measured
    if #marks > 0 and #times.drawn < #times.keys and #times.answered >= #times.keys then
      table.insert(times.drawn, now())
    end
  end,
})
local client = vim.lsp.get_clients({ name = "mellum" })[1]
local request = client.rpc.request
client.rpc.request = function(method, params, callback, ...)
  if method ~= "textDocument/inlineCompletion" then
    return request(method, params, callback, ...)
  end
  local times, asked = _G.measured, now()
  return request(method, params, function(err, result, ...)
    if result and #(result.items or {}) > 0 and #times.answered < #times.keys then
      table.insert(times.asked, asked)
      table.insert(times.answered, now())
    end
    return callback(err, result, ...)
  end, ...)
end
vim.on_key(function(_, typed)
  if _G.measuring and typed == " " then
    _G.measuring = false
    table.insert(_G.measured.keys, now())
  end
end)
"""

NATIVE = """
require('mellum').setup = function(options)
  vim.lsp.config('mellum', { cmd = options.cmd, init_options = options.settings })
  vim.lsp.enable('mellum')
  vim.lsp.inline_completion.enable()
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a model instead of a script")
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--neovim", type=Path, default=EDITORS / "nvim")
    chosen = parser.parse_args()
    report = {}
    for way, namespace, extra in (
        ("plugin", "mellum", ""),
        ("native", "nvim.lsp.inline_completion", NATIVE),
    ):
        with tempfile.TemporaryDirectory(prefix="mellum-measure-") as folder:
            report[way] = measure(chosen.neovim, Path(folder), chosen.model, chosen.times, namespace, extra)
        print(f"{way}: {report[way]}", file=sys.stderr)
    print(json.dumps(report))


def measure(
    program: Path, folder: Path, model: str | None, times: int, namespace: str, extra: str
) -> dict[str, float]:
    """Medians in milliseconds, of as many keys as ghosts came of (``ghosts``)."""
    script = folder / "script.json"
    script.write_text(
        json.dumps([{"after": f"{word} = ", "text": f"make_{word}(1)"} for word in WORDS]), "utf-8"
    )
    (folder / ".git").mkdir()
    command = ", ".join(map(json.dumps, [str(SERVER), "serve", "--model", model or f"scripted:{script}"]))
    options = f"{{ cmd = {{ {command} }}, settings = {{ engine = {{ idleSeconds = 0 }}, gate = 0 }} }}"
    editor = Neovim(program, folder, options, extra=extra)
    editor.namespace = namespace
    try:
        editor.command("edit a.py")
        editor.wait_for_client()
        editor.text("i")
        editor.lua("vim.wait(3000)")  # the model loads
        editor.lua(WATCH.replace("NAMESPACE", namespace))
        for word in WORDS[:times]:
            editor.text(f"{word} =")
            editor.lua("vim.wait(500)")  # what this asks for is answered
            before = len(editor.lua("return _G.measured.drawn"))
            editor.lua("_G.measuring = true")
            editor.text(" ")
            try:
                editor.wait_for(
                    lambda before=before: len(editor.lua("return _G.measured.drawn")) > before, "a ghost", 5
                )
            except AssertionError:
                editor.lua("table.remove(_G.measured.keys)")  # the model had nothing to say
            editor.keys("<Esc>cc")
            editor.lua("vim.wait(60)")
        seen = editor.lua("return _G.measured")
    finally:
        editor.close()
    key_to_ghost = [(drawn - key) / 1e6 for key, drawn in zip(seen["keys"], seen["drawn"], strict=True)]
    server = [(end - start) / 1e6 for start, end in zip(seen["asked"], seen["answered"], strict=True)]
    return {
        "ghosts": len(key_to_ghost),
        "key_to_ghost_ms": round(statistics.median(key_to_ghost), 1),
        "slowest_ms": round(max(key_to_ghost), 1),
        "server_ms": round(statistics.median(server), 1),
    }


if __name__ == "__main__":
    main()
