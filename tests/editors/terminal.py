"""A terminal in tmux for a program with a screen: type keys, read what is drawn."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SETTINGS = """
set -g status off
set -g default-terminal tmux-256color
set -ga terminal-features ',*:RGB'
set -sg escape-time 0
"""


class Terminal:
    """Runs ``command`` on a terminal of ``size`` columns and rows."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str],
        size: tuple[int, int] = (84, 16),
    ) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="mellum-tmux-"))
        self._environment = dict(environment)
        settings = self._home / "tmux.conf"
        settings.write_text(SETTINGS, "utf-8")
        columns, rows = map(str, size)
        place = ["-x", columns, "-y", rows, "-c", str(folder)]
        self._tmux("-f", str(settings), "new-session", "-d", *place, *map(str, command))

    def screen(self, *, colours: bool = False) -> str:
        """What is drawn, with escape sequences for the ``colours`` if asked."""
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def text(self, text: str) -> None:
        """Type plain text."""
        self._tmux("send-keys", "-l", text)

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names: ``Enter``, ``Tab``, ``C-x``."""
        self._tmux("send-keys", *names)

    def running(self) -> bool:
        return self._run("has-session").returncode == 0

    def close(self, patience_seconds: float = 5) -> None:
        """Wait for the program to end by itself, then end it."""
        end = time.monotonic() + patience_seconds
        while self.running() and time.monotonic() < end:
            time.sleep(0.02)
        self._run("kill-server")
        shutil.rmtree(self._home, ignore_errors=True)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["tmux", "-S", self._home / "tmux", *arguments],
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def _tmux(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode:
            raise AssertionError(f"tmux {arguments} failed: {done.stderr}")
        return done.stdout
