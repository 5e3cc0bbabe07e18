"""Editors and servers for the end-to-end tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from editors_here import EDITORS, NEOVIMS, SERVER
from neovim import Neovim
from vscode_fixtures import (  # noqa: F401 - fixtures, which pytest finds here
    browser,
    code_server,
    feedback,
    open_window,
    package,
    server_state,
    write_server,
)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A real editor on a machine that others use is slow; patience costs nothing where all goes well."""
    if item.path.parent == Path(__file__).parent:
        item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def editors() -> Path:
    """The folder of the editors, fetched where need be; tests skip with the reason where there are none."""
    script = Path(__file__).with_name("get_editors.sh")
    try:
        done = subprocess.run([script, EDITORS], capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no current editors: {error}")
    if done.returncode:
        pytest.skip((done.stderr.strip().splitlines() or ["no current editors"])[-1])
    return EDITORS


@pytest.fixture
def write_script(tmp_path: Path) -> Callable[[Sequence[dict[str, object]]], str]:
    """Writes a table of {"after", "text"} and returns the ``--model`` that follows it.

    Where the text before the caret ends with ``after``, the model "says" ``text``.
    """

    def write(script: Sequence[dict[str, object]]) -> str:
        path = tmp_path / "script.json"
        path.write_text(json.dumps(script), "utf-8")
        return f"scripted:{path}"

    return write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project folder."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    return folder


@pytest.fixture
def open_neovim(
    editors: Path, project: Path, write_script: Callable[[Sequence[dict[str, object]]], str]
) -> Iterator[Callable[..., Neovim]]:
    """Opens a file of the project in a Neovim whose server follows a script, or runs the model ``model``."""
    opened: list[Neovim] = []

    def start(
        file: str,
        script: Sequence[dict[str, object]] | None = None,
        *,
        model: Path | None = None,
        options: str = "",
        kind: type[Neovim] = Neovim,
        version: str = "0.12",
        state: Path | None = None,
    ) -> Neovim:
        program = editors / NEOVIMS[version]
        if not program.exists():
            pytest.skip(f"Neovim {version} could not be had here")
        chosen = write_script(script) if script is not None else str(model)
        command = ", ".join(map(json.dumps, [str(SERVER), "serve", "--model", chosen]))
        # An engine ends with its editor: no process is left behind.
        settings = "settings = { engine = { idleSeconds = 0 } }"
        editor = kind(program, project, f"{{ cmd = {{ {command} }}, {settings}, {options} }}", state=state)
        opened.append(editor)
        editor.command(f"edit {file}")
        editor.wait_for_client()
        return editor

    yield start
    for editor in opened:
        editor.close()
