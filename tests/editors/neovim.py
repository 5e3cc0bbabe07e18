"""Drives a real Neovim: types keys, reads the buffer, the ghost drawn in it, and in tmux the whole screen."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from neovim_rpc import NeovimGoneError, NeovimRefusedError, NeovimRpc
from terminal import Terminal

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "editor-configs" / "neovim"

PATIENCE_SECONDS = 90
"""On a machine that others use; it costs nothing where all goes well."""

Seen = TypeVar("Seen")

_GHOST = """
local name = ...
local ns = vim.api.nvim_create_namespace(name)
local marks = vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, { details = true })
if #marks == 0 then return vim.NIL end
local line = vim.api.nvim_buf_get_lines(0, marks[1][2], marks[1][2] + 1, false)[1]
local text = function(chunks) return vim.iter(chunks):map(function(c) return c[1] end):join("") end
local lines, last = { "" }, marks[1][3]
for _, mark in ipairs(marks) do
  lines[1] = lines[1] .. line:sub(last + 1, mark[3]) .. text(mark[4].virt_text or {})
  last = mark[3]
end
vim.list_extend(lines, vim.iter(marks[1][4].virt_lines or {}):map(text):totable())
return { row = marks[1][2], column = marks[1][3], text = table.concat(lines, "\\n") }
"""


@dataclass(frozen=True)
class Ghost:
    """What Neovim draws: ``row`` from 0, ``column`` in bytes, lines of ``text`` joined by newlines.

    Where it is drawn in pieces around real text, that is in ``text`` too.
    """

    row: int
    column: int
    text: str


class Neovim:
    """A headless Neovim with only the project's plugin, set up with ``options`` (a Lua table, as text).

    It has a home of its own. The server keeps its log and its feedback in ``state``, if given, else in there.
    ``extra`` is Lua that runs before. ``init`` takes the place of all of that: a whole ``init.lua``.
    """

    namespace = "mellum"

    def __init__(
        self,
        program: Path,
        folder: Path,
        options: str = "{}",
        *,
        plugin: Path = PLUGIN,
        extra: str = "",
        state: Path | None = None,
        init: str | None = None,
    ) -> None:
        # Socket paths are limited to about 100 bytes, so not under pytest's deep folders.
        self._home = Path(tempfile.mkdtemp(prefix="mellum-nvim-"))
        self._socket = self._home / "socket"
        start = self._home / "init.lua"
        set_up = (
            f"vim.opt.rtp:append({json.dumps(str(plugin))})\n{extra}\nrequire('mellum').setup {options}\n"
        )
        # Neovim looks for a Python of its own when it opens a Python file: two seconds that we can spare.
        start.write_text("vim.g.loaded_python3_provider = 0\n" + (init or set_up), "utf-8")
        names = ("CONFIG_HOME", "DATA_HOME", "STATE_HOME", "CACHE_HOME", "RUNTIME_DIR")
        homes = {f"XDG_{name}": str(self._home / name.lower()) for name in names}
        if state:
            homes["XDG_STATE_HOME"] = str(state)
        self.state_home = Path(homes["XDG_STATE_HOME"])
        (self._home / "runtime_dir").mkdir(mode=0o700)
        self._launch(
            [program, "-i", "NONE", "-n", "-u", start, "--listen", self._socket],
            folder,
            {**os.environ, **homes, "LC_ALL": "C.UTF-8"},
        )
        self._rpc = self.wait_for(self._connect, "Neovim's socket")
        # It listens before it has started: a file opened then is lost to the first, empty buffer.
        self.wait_for(lambda: self.lua("return vim.v.vim_did_enter == 1"), "Neovim's start")

    def _connect(self) -> NeovimRpc | None:
        try:
            return NeovimRpc(self._socket)
        except OSError:
            return None

    def lua(self, code: str, *arguments: Any) -> Any:
        """Run Lua code in the editor and return what it returns."""
        return self._rpc.call("nvim_exec_lua", code, arguments)

    def keys(self, keys: str) -> None:
        """Type keys, written as in a mapping: ``ofoo<Esc>``; a literal ``<`` is ``<lt>``."""
        self._rpc.call("nvim_input", keys)
        # Keys are read before the next event is: a few turns of its loop, and they have been.
        for _ in range(5):
            self._rpc.call("nvim_eval", "1")

    def text(self, text: str) -> None:
        """Type plain text."""
        self.keys(text.replace("<", "<lt>"))

    def command(self, command: str) -> None:
        self.lua("vim.cmd(...)", command)

    @property
    def lines(self) -> list[str]:
        lines: list[str] = self.lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)")
        return lines

    @property
    def cursor(self) -> tuple[int, int]:
        """Row from 0 and column in bytes."""
        row, column = self.lua("return vim.api.nvim_win_get_cursor(0)")
        return row - 1, column

    @property
    def ghost(self) -> Ghost | None:
        found = self.lua(_GHOST, self.namespace)
        return Ghost(**found) if found else None

    def wait_for_ghost(self, text: str | None = None, timeout: float = PATIENCE_SECONDS) -> Ghost:
        """The ghost, once there is one (with this text)."""
        return self.wait_for(
            lambda: ghost if (ghost := self.ghost) and text in (None, ghost.text) else None,
            f"the ghost {text!r}",
            timeout,
        )

    def server_pid(self) -> int | None:
        """The process of the server, which is Neovim's only child."""
        children = self.lua("return vim.api.nvim_get_proc_children(vim.fn.getpid())")
        return children[0] if children else None

    def wait_for_client(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Until the server is ready and serves this buffer."""
        code = """
        local client = vim.lsp.get_clients({ name = "mellum", bufnr = 0 })[1]
        return client ~= nil and client.initialized
        """
        self.wait_for(lambda: self.lua(code), "the server", timeout)

    def wait_until_loaded(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Until the server says that its model is loaded: until then it shows nothing."""
        code = "return (require('mellum').last_status() or {}).state == 'ready'"
        self.wait_for(lambda: self.lua(code), "the model", timeout)

    def wait_for(self, look: Callable[[], Seen | None], what: str, timeout: float = PATIENCE_SECONDS) -> Seen:
        """What ``look`` sees, once it sees something."""
        end = time.monotonic() + timeout
        while not (seen := look()):
            if not self._running():
                raise AssertionError(f"Neovim ended: {self._errors()}")
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come within {timeout} s\n{self._state()}")
            time.sleep(0.02)
        return seen

    def close(self) -> None:
        if self._running():
            # The server first: it ends later than an editor that waits for nobody, and writes till then.
            stop = "for _, one in ipairs(vim.lsp.get_clients()) do vim.lsp.stop_client(one.id) end"
            ended = "vim.wait(3000, function() return #vim.lsp.get_clients() == 0 end, 10)"
            with contextlib.suppress(NeovimGoneError, NeovimRefusedError):
                self.lua(f"{stop} {ended}")
                self._rpc.call("nvim_command", "qall!")
            self._rpc.close()
        self._end()
        shutil.rmtree(self._home, ignore_errors=True)

    def _launch(self, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [*command, "--headless"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _running(self) -> bool:
        return self._process.poll() is None

    def _end(self) -> None:
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _errors(self) -> str:
        return self._process.stderr.read().decode(errors="replace") if self._process.stderr else ""

    def _state(self) -> str:
        """For the message of a failed wait."""
        logs = [path.read_text("utf-8", errors="replace")[-3000:] for path in self._home.rglob("*lsp*.log")]
        messages = self.lua("return vim.fn.execute('messages')")
        seen = f"buffer: {self.lines} cursor: {self.cursor} ghost: {self.ghost}"
        said = f"server: {self.lua('return require([[mellum]]).last_status() or vim.NIL')}"
        return "\n".join([seen, said, messages, *logs])


class NeovimInTmux(Neovim):
    """A Neovim on a terminal of ``size`` columns and rows, whose screen can be read."""

    size = (84, 16)

    def screen(self, *, colours: bool = False) -> str:
        """What is on the terminal, with escape sequences for the ``colours`` if asked."""
        return self._terminal.screen(colours=colours)

    def _launch(self, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
        self._terminal = Terminal(command, folder, environment, self.size)

    def _running(self) -> bool:
        return self._terminal.running()

    def _end(self) -> None:
        self._terminal.close()

    def _errors(self) -> str:
        return ""
