"""Takes the README's picture of Neovim: a real session with the embedded model, drawn as an SVG.

    .venv/bin/python tests/editors/capture_screenshot.py [--model PATH.gguf] [--output docs/images/neovim.svg]

Opens the demo's sample project, with the demo's hole, in a Neovim on a terminal, types the last character
before the hole and draws what is on the screen as soon as a ghost is.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from neovim import REPOSITORY, Ghost, NeovimInTmux
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from mellum_lsp.cli.demo import SAMPLE_FILE, SAMPLE_PROJECT, cut_hole

REST_SECONDS = 8

# The colours of Neovim's own dark scheme, for cells that have none of their own.
THEME = TerminalTheme((20, 22, 27), (224, 226, 234), [(7, 8, 13)] * 8)

LOOKS = """
vim.o.termguicolors = true
vim.o.background = "dark"
vim.o.number = true
vim.o.laststatus = 2
vim.o.showmode = true
vim.o.shortmess = vim.o.shortmess .. "IF"
vim.o.wrap = false
vim.o.statusline = " %f %m%=%{v:lua.require'mellum'.status()}  %l:%c "
vim.api.nvim_set_hl(0, "MellumGhost", { fg = "#8b93a7", italic = true })
"""


class Pictured(NeovimInTmux):
    """On a terminal as large as the picture."""

    size = (88, 29)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nano-135m", help="a catalogue name or a path to a .gguf")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "images" / "neovim.svg")
    parser.add_argument("--editors", type=Path, default=REPOSITORY / ".cache" / "editors")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mellum-picture-") as folder:
        project = Path(folder) / "sample_project"
        screen, ghost = show_ghost(chosen.editors / "nvim", project, chosen.model)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(draw(screen, Pictured.size[0], f"nvim {SAMPLE_FILE}"), "utf-8")
    print(f"{chosen.output}: the ghost is {ghost.text!r}")


def prepare_sample(project: Path) -> tuple[int, str]:
    """Copy the demo's project; return the hole's line, from 1, and the character to type at its end.

    All but the last character before the hole is there already: typing one is what makes the editor ask.
    """
    shutil.copytree(SAMPLE_PROJECT, project, ignore=shutil.ignore_patterns("__pycache__"))
    (project / ".git").mkdir()
    file = project / SAMPLE_FILE
    before, after = cut_hole(file.read_text("utf-8"))
    file.write_text(before[:-1] + after, "utf-8")
    return before.count("\n") + 1, before[-1]


def show_ghost(program: Path, project: Path, model: str) -> tuple[str, Ghost]:
    """The coloured screen with a ghost on it, and the ghost."""
    row, last = prepare_sample(project)
    command = [str(Path(sys.executable).with_name("mellum-lsp")), "serve", "--model", model]
    # On a busy machine the model seems slow, and the prompt would be short of the project's context.
    settings = "settings = { contextTokens = 1024 }"
    options = "{ cmd = {" + ", ".join(map(json.dumps, command)) + "}, " + settings + " }"
    editor = Pictured(program, project, options, extra=LOOKS)
    try:
        editor.command(f"edit {SAMPLE_FILE}")
        editor.wait_for_client()
        editor.wait_until_loaded()
        editor.command(str(row))
        editor.text("A")
        editor.text(last)
        # The server evaluates the project's context while the caret rests, as it does while a person thinks.
        ghost = editor.wait_for(lambda: _typed_again(editor, last), "a ghost")
        first = ghost.text.split("\n")[0]
        editor.wait_for(lambda: first in editor.screen(), "the ghost on the screen")
        return with_caret(editor), ghost
    finally:
        editor.close()


def _typed_again(editor: Pictured, last: str) -> Ghost | None:
    time.sleep(REST_SECONDS)
    if editor.ghost is None:
        editor.keys("<BS>")
        editor.text(last)
    return editor.ghost


def with_caret(editor: Pictured) -> str:
    """The coloured screen, with the caret as a block: what tmux tells of a screen has none."""
    row, column = editor.lua("return { vim.fn.screenrow(), vim.fn.screencol() }")
    lines = editor.screen(colours=True).split("\n")
    columns = itertools.count(1)

    def marked(piece: re.Match[str]) -> str:
        here = not piece["code"] and next(columns) == column
        return f"\x1b[7m{piece[0]}\x1b[27m" if here else piece[0]

    lines[row - 1] = re.sub(r"(?P<code>\x1b\[[\d;]*m)|.", marked, lines[row - 1])
    return "\n".join(lines)


def draw(screen: str, columns: int, title: str) -> str:
    """The screen as an SVG that needs nothing from anywhere: no web fonts."""
    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(screen.rstrip("\n")), no_wrap=True, crop=True)
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    template = re.sub(r"\s*<!--.*?-->", "", template, flags=re.DOTALL)
    return console.export_svg(title=title, theme=THEME, code_format=template, unique_id="neovim")


if __name__ == "__main__":
    main()
