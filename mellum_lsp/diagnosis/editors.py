"""Which editors are installed, and whether they are set up to use mellum-lsp."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mellum_lsp.diagnosis.check import Check

_PROGRAM = "mellum-lsp"
_MENTION = re.compile(r"\bmellum\b", re.IGNORECASE)
_MOST_FILES, _MOST_BYTES = 400, 400_000
"""A user's configuration is smaller; plugins that are checked out in it are not worth reading whole."""
_COMMENTS = {".lua": "--", ".vim": '"'}
"""What begins one, by a file's ending; all others are Lisp."""
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Editor:
    """``configured`` is the file or folder that names mellum-lsp, None where none was found; ``needs`` says
    what else is missing."""

    name: str
    program: str
    version: str
    configured: Path | None
    needs: str = ""


def check_editors(environment: Mapping[str, str] | None = None, home: Path | None = None) -> Check:
    """Looks at programs on PATH and at the configuration of those that are there."""
    variables = os.environ if environment is None else environment
    found = list(find_editors(variables, home or Path.home()))
    facts = {
        one.name: {"version": one.version, "configured": one.configured is not None, "needs": one.needs}
        for one in found
    }
    private = {one.name: {"program": one.program, "configured_by": one.configured} for one in found}
    ready = [one for one in found if one.configured and not one.needs]
    server = shutil.which(_PROGRAM, path=variables.get("PATH"))
    if not found:
        return Check("editors", "ok", "none found on PATH", "set-up for each is in editor-configs/", facts)
    detail = "; ".join(_told(one) for one in found)
    hint = ""
    if not ready:
        first = found[0].name
        hint = f"none is ready: editor-configs/{_FOLDERS[first]}/README.md tells how to set up {first}"
    elif server is None:
        hint = f"{_PROGRAM} is not on PATH: name its full path in the editor's configuration"
    return Check("editors", "ok" if ready else "warning", detail, hint, facts, private)


def find_editors(environment: Mapping[str, str], home: Path) -> Iterator[Editor]:
    """The editors that we have a set-up for, as far as they are on the environment's PATH."""
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    for name, (programs, configured, needs) in _KNOWN.items():
        path = next((at for one in programs if (at := shutil.which(one, path=environment.get("PATH")))), None)
        if path is None:
            continue
        version = _version(path)
        yield Editor(name, path, version, configured(home, config, environment), needs(version))


def _neovim(home: Path, config: Path, environment: Mapping[str, str]) -> Path | None:
    folder = config / environment.get("NVIM_APPNAME", "nvim")
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share") / folder.name
    return _mentioned(_files(folder, (".lua", ".vim"))) or _first(data.glob("site/pack/*/*/mellum*"))


def _vscode(home: Path, config: Path, environment: Mapping[str, str]) -> Path | None:
    places = (".vscode", ".vscode-oss", ".vscode-insiders", ".vscode-server", ".local/share/code-server")
    return _first(match for place in places for match in (home / place / "extensions").glob("mellum-lsp.*"))


def _helix(home: Path, config: Path, environment: Mapping[str, str]) -> Path | None:
    for file in (config / "helix/languages.toml", Path.cwd() / ".helix/languages.toml"):
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        ours = {
            name
            for name, server in document.get("language-server", {}).items()
            if _MENTION.search(str(server.get("command", "")) + " " + " ".join(server.get("args", [])))
        }
        used = [entry for one in document.get("language", []) for entry in one.get("language-servers", [])]
        if ours & {entry["name"] if isinstance(entry, dict) else entry for entry in used}:
            return file
    return None


def _emacs(home: Path, config: Path, environment: Mapping[str, str]) -> Path | None:
    files = [home / ".emacs", home / ".emacs.el"]
    folders = (home / ".emacs.d", config / "emacs", home / ".doom.d", config / "doom")
    return _mentioned([*files, *(file for folder in folders for file in sorted(folder.glob("*.el")))])


def _needs_nothing(version: str) -> str:
    return ""


def _needs_012(version: str) -> str:
    """Ghost text came with Neovim 0.12."""
    numbers = tuple(int(part) for part in version.split(".")[:2]) if version else (0, 12)
    return "" if numbers >= (0, 12) else "0.12 for ghost text"


_Finder = Callable[[Path, Path, Mapping[str, str]], Path | None]
_KNOWN: dict[str, tuple[tuple[str, ...], _Finder, Callable[[str], str]]] = {
    "Neovim": (("nvim",), _neovim, _needs_012),
    "VS Code": (("code", "codium", "code-insiders", "code-server"), _vscode, _needs_nothing),
    "Helix": (("hx", "helix"), _helix, _needs_nothing),
    "Emacs": (("emacs",), _emacs, _needs_nothing),
}
_FOLDERS = {"Neovim": "neovim", "VS Code": "vscode", "Helix": "helix", "Emacs": "emacs"}


def _told(editor: Editor) -> str:
    state = "set up" if editor.configured else "not set up"
    if editor.needs:
        state += f", needs {editor.needs}"
    return f"{editor.name} {editor.version}".strip() + f" ({state})"


def _version(program: str) -> str:
    """What ``--version`` says first; "" where it says nothing in time."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    match = _VERSION.search(done.stdout)
    return match.group() if match else ""


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    found = (path for path in sorted(folder.rglob("*")) if path.suffix in endings)
    return [path for path, _ in zip(found, range(_MOST_FILES), strict=False)]


def _mentioned(files: Iterable[Path]) -> Path | None:
    """The first file that speaks of us, outside of comments."""
    for file in files:
        try:
            if file.stat().st_size > _MOST_BYTES:
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        comment = _COMMENTS.get(file.suffix, ";")
        if any(_MENTION.search(line) and not line.lstrip().startswith(comment) for line in text.splitlines()):
            return file
    return None


def _first(found: Iterable[Path]) -> Path | None:
    return next(iter(sorted(found)), None)
