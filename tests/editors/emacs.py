"""Drives a real Emacs on a terminal: keys go in by tmux, expressions by Emacs' own server."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from terminal import Terminal

PLUGIN = Path(__file__).resolve().parents[2] / "editor-configs" / "emacs"

Seen = TypeVar("Seen")

_PATIENCE_SECONDS = 90

_START = """
(setq inhibit-startup-screen t make-backup-files nil auto-save-default nil create-lockfiles nil
      initial-scratch-message nil ring-bell-function #'ignore enable-local-variables nil
      server-socket-dir {home} server-name "socket" load-prefer-newer t)
(menu-bar-mode -1)
(set-language-environment "UTF-8")
(require 'server)
(server-start)
(add-to-list 'load-path {plugin})
"""


class Emacs:
    """An Emacs without a user's configuration; ``configuration`` (Lisp) is run before ``file`` opens.

    It has a home of its own; ``state`` is where servers keep their log and feedback, if not in there.
    """

    def __init__(
        self, program: Path, folder: Path, file: str, configuration: str, *, state: Path | None = None
    ) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="mellum-emacs-"))
        self.state_home = state or self._home / "state"
        start = self._home / "start.el"
        quoted = {"home": json.dumps(str(self._home)), "plugin": json.dumps(str(PLUGIN))}
        start.write_text(_START.format(**quoted) + configuration, "utf-8")
        folders = {f"XDG_{name}_HOME": str(self._home / name.lower()) for name in ("CONFIG", "DATA", "CACHE")}
        environment = {
            **os.environ,
            **folders,
            "HOME": str(self._home),
            "XDG_STATE_HOME": str(self.state_home),
            "XDG_RUNTIME_DIR": str(self._home),
            "LC_ALL": "C.UTF-8",
        }
        self._home.chmod(0o700)
        self._terminal = Terminal([program, "-nw", "-Q", "-l", start, file], folder, environment)
        self.wait_for(self._answers, "Emacs' server")

    def eval(self, expression: str) -> Any:
        """The value of a Lisp expression, in the selected window's buffer."""
        inside = f"(with-current-buffer (window-buffer (selected-window)) {expression})"
        serialized = f"(json-serialize (list :value {inside}) :null-object nil :false-object :false)"
        printed = self._ask(f"(base64-encode-string {serialized} t)")
        return json.loads(base64.b64decode(printed.strip('"')))["value"]

    def text(self, text: str) -> None:
        self._terminal.text(text)

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names."""
        self._terminal.keys(*names)

    def screen(self) -> str:
        return self._terminal.screen()

    @property
    def buffer(self) -> str:
        text: str = self.eval("(buffer-substring-no-properties (point-min) (point-max))")
        return text

    @property
    def ghost(self) -> str | None:
        """The text that lsp-mode offers, if its overlay is there."""
        text: str | None = self.eval(
            "(and (bound-and-true-p lsp-inline-completion--overlay)"
            " (lsp-get (elt lsp-inline-completion--items lsp-inline-completion--current) :insertText))"
        )
        return text

    def wait_for_ghost(self, text: str) -> None:
        self.wait_for(lambda: self.ghost == text, f"the ghost {text!r}")

    def wait_for(
        self, look: Callable[[], Seen | None], what: str, timeout: float = _PATIENCE_SECONDS
    ) -> Seen:
        """What ``look`` sees, once it sees something."""
        end = time.monotonic() + timeout
        while not (seen := look()):
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come within {timeout} s\n{self.screen()}")
            time.sleep(0.03)
        return seen

    def close(self) -> None:
        # Where it has ended already, or is stuck, the terminal ends it.
        with contextlib.suppress(OSError, AssertionError):
            self._ask("(progn (setq kill-emacs-query-functions nil) (run-with-timer 0 nil #'kill-emacs) t)")
        self._terminal.close(patience_seconds=3)
        shutil.rmtree(self._home, ignore_errors=True)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._ask("t"))
        return False

    def _ask(self, expression: str) -> str:
        """Send it as emacsclient does, and return what is printed."""
        quoted = expression.replace("&", "&&").replace(" ", "&_").replace("\n", "&n")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE_SECONDS)
            connection.connect(str(self._home / "socket"))
            connection.sendall(f"-eval {quoted} \n".encode())
            received = b""
            while more := connection.recv(1 << 16):
                received += more
        answer = ""
        for line in received.decode().splitlines():
            kind, _, value = line.partition(" ")
            value = value.replace("&_", " ").replace("&n", "\n").replace("&-", "-").replace("&&", "&")
            if kind == "-error":
                raise AssertionError(f"Emacs refused {expression}: {value}")
            if kind in ("-print", "-print-nonl"):
                answer += value
        return answer.strip()
