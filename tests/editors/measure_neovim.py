"""Measures the way from a key to the ghost on the screen in Neovim, beside the server's own share of it.

    .venv/bin/python tests/editors/measure_neovim.py [--model PATH.gguf] [--times 30] [--neovim PROGRAM]

The beginning of an assignment is typed at once, and the clock runs from its last key until Neovim draws a
window that has the ghost in it. The server's share is the time from its request to its answer. The same is
measured with Neovim's own inline completion, which asks 200 ms after a key. By default the server follows a
script that answers at once, so that the editor's share is seen; with `--model` a real model decodes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from pathlib import Path

from editors_here import EDITORS, SERVER
from neovim import Neovim

WORDS = [
    *("width", "height", "depth", "weight", "colour", "label", "owner", "parent", "margin", "border"),
    *("padding", "radius", "angle", "scale", "offset", "origin", "target", "source", "handler", "visible"),
    *("enabled", "selected", "opacity", "texture", "material", "shadow", "layer", "cursor", "tooltip", "key"),
]
FILE = f"class Box:\n    def __init__(self, {', '.join(WORDS)}):\n"

# Watches from inside: the key, the request that was answered, and the first window drawn with the answer.
WATCH = """
_G.measured, _G.current = {}, nil
local namespace = vim.api.nvim_create_namespace("NAMESPACE")
local now = vim.uv.hrtime
vim.on_key(function(_, typed)
  if _G.current and not _G.current.key and typed == "=" then
    _G.current.key = now()
  end
end)
local client = vim.lsp.get_clients({ name = "mellum" })[1]
local request = client.rpc.request
client.rpc.request = function(method, params, callback, ...)
  local asked, this = now(), _G.current
  if method ~= "textDocument/inlineCompletion" or not (this and this.key) then
    return request(method, params, callback, ...)
  end
  return request(method, params, function(err, result, ...)
    if result and #(result.items or {}) > 0 and not this.answered then
      this.asked, this.answered = asked, now()
    end
    return callback(err, result, ...)
  end, ...)
end
vim.api.nvim_set_decoration_provider(vim.api.nvim_create_namespace("measure"), {
  on_win = function(_, _, buffer)
    local this = _G.current
    local marks = vim.api.nvim_buf_get_extmarks(buffer, namespace, 0, -1, { limit = 1 })
    if this and this.answered and #marks > 0 then
      this.drawn = now()
      table.insert(_G.measured, this)
      _G.current = nil
    end
  end,
})
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
        json.dumps([{"after": f"self.{word} =", "text": f" {word}"} for word in WORDS]), "utf-8"
    )
    (folder / "a.py").write_text(FILE, "utf-8")
    (folder / ".git").mkdir()
    command = ", ".join(map(json.dumps, [str(SERVER), "serve", "--model", model or f"scripted:{script}"]))
    options = f"{{ cmd = {{ {command} }}, settings = {{ engine = {{ idleSeconds = 0 }} }} }}"
    editor = Neovim(program, folder, options, extra=extra)
    editor.namespace = namespace
    try:
        editor.command("edit a.py")
        editor.wait_for_client()
        editor.keys("Go")
        editor.lua("vim.wait(3000)")  # the model loads, and the index is made
        editor.lua(WATCH.replace("NAMESPACE", namespace))
        for word in WORDS[:times]:
            editor.lua("_G.current = {}")
            editor.text(f"self.{word} =")  # the editor indents
            with contextlib.suppress(AssertionError):  # where the model has nothing to say
                editor.wait_for(lambda: editor.lua("return _G.current == nil"), "a ghost", 3)
            editor.lua("_G.current = nil")
            editor.text(f" {word}")
            editor.lua("vim.wait(300)")  # a person's pause before the next line
            editor.keys("<Esc>o")
            editor.lua("vim.wait(300)")
        seen = editor.lua("return _G.measured")
    finally:
        editor.close()
    key_to_ghost = [(one["drawn"] - one["key"]) / 1e6 for one in seen]
    server = [(one["answered"] - one["asked"]) / 1e6 for one in seen]
    return {
        "ghosts": len(key_to_ghost),
        "key_to_ghost_ms": round(statistics.median(key_to_ghost), 1),
        "slowest_ms": round(max(key_to_ghost), 1),
        "server_ms": round(statistics.median(server), 1),
    }


if __name__ == "__main__":
    main()
