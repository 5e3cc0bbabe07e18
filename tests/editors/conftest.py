"""Editors and servers for the end-to-end tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from neovim import REPOSITORY, Neovim

EDITORS = REPOSITORY / ".cache" / "editors"
EMBEDDED_MODEL = REPOSITORY / "models" / "nano-135m.gguf"


@pytest.fixture(scope="session")
def nvim_program() -> Path:
    """Neovim 0.12 or later, fetched where need be; the tests skip with the reason where there is none."""
    script = Path(__file__).with_name("get_editors.sh")
    try:
        done = subprocess.run([script, EDITORS], capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no Neovim 0.12: {error}")
    if done.returncode:
        pytest.skip((done.stderr.strip().splitlines() or ["no Neovim 0.12"])[-1])
    return EDITORS / "nvim"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project folder."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    return folder


@pytest.fixture
def open_neovim(nvim_program: Path, project: Path, tmp_path: Path) -> Iterator[Callable[..., Neovim]]:
    """Opens a file of the project in a Neovim whose server follows a script, or runs the model ``model``.

    The script is a table of {"after", "text"}: where the text before the caret ends with ``after``, the model
    "says" ``text``.
    """
    editors: list[Neovim] = []

    def start(
        file: str,
        script: Sequence[dict[str, object]] | None = None,
        *,
        model: Path | None = None,
        options: str = "",
        kind: type[Neovim] = Neovim,
    ) -> Neovim:
        if script is not None:
            table = tmp_path / "script.json"
            table.write_text(json.dumps(script), "utf-8")
            chosen = f"scripted:{table}"
        else:
            chosen = str(model)
        command = [str(Path(sys.executable).with_name("mellum-lsp")), "serve", "--model", chosen]
        editor = kind(
            nvim_program, project, "{ cmd = {" + ", ".join(map(json.dumps, command)) + "}, " + options + "}"
        )
        editors.append(editor)
        editor.command(f"edit {file}")
        editor.wait_for_client()
        return editor

    yield start
    for editor in editors:
        editor.close()
