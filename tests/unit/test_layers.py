"""Dependencies point one way: each room imports only the rooms below it (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mellum_lsp"
TRAINING = PACKAGE.parent / "training"

BELOW_COMPLETION = {"domain", "workspace", "retrieval", "prompt", "engine"}
SERVES = BELOW_COMPLETION | {"completion", "models"}
"""What a completion is made by."""

MAY_IMPORT = {
    "domain": set(),
    "machine": set(),
    "workspace": {"domain"},
    "prompt": {"domain"},
    "engine": {"domain", "machine"},
    "retrieval": {"domain", "workspace"},
    "completion": {
        "domain",
        "prompt",
        "engine.interface",
        "retrieval.interface",
        "workspace.grammars",
        "workspace.secrets",
    },
    "feedback": {"domain"},
    "models": {"domain", "machine", "engine.interface"},
    "lsp": (SERVES - {"prompt"}) | {"feedback"},
    "conformance": {"feedback", "lsp"},
    "diagnosis": SERVES | {"machine"},
    "bench": SERVES | {"feedback", "conformance"},
    "adapt": (SERVES - {"retrieval"}) | {"machine", "feedback", "bench"},
    "cli": SERVES | {"feedback", "lsp", "bench", "diagnosis", "conformance", "adapt"},
    "training": BELOW_COMPLETION | {"completion", "bench"},
}

PURE = (
    "prompt",
    "completion/rules",
    "completion/stop.py",
    "completion/gate.py",
    "completion/parsing.py",
    "completion/excerpt.py",
)
IMPURE_MODULES = {
    "asyncio",
    "io",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
}


def modules_imported(file: Path) -> set[str]:
    """The dotted names that ``file`` imports; ``from package import module`` counts as ``package.module``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def files_of(room: str) -> list[Path]:
    folder = TRAINING if room == "training" else PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def test_every_room_is_listed() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(MAY_IMPORT) - {"domain", "machine", "training"}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_every_module_says_what_it_is_for(room: str) -> None:
    texts = {file: file.read_text(encoding="utf-8") for file in files_of(room)}
    silent = [
        file.relative_to(PACKAGE.parent).as_posix()
        for file, text in texts.items()
        if text.strip() and "sample_project" not in file.parts and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below(room: str) -> None:
    allowed = {f"mellum_lsp.{name}" for name in MAY_IMPORT[room] | {room}}
    strangers = [
        f"{file.relative_to(PACKAGE.parent)} imports {name}"
        for file in files_of(room)
        for name in sorted(modules_imported(file))
        if name.startswith("mellum_lsp.")
        and not any(name == place or name.startswith(f"{place}.") for place in allowed)
        # ``from mellum_lsp.engine import interface`` names the package on the way to the module.
        and not any(place.startswith(f"{name}.") for place in allowed)
        and name != "mellum_lsp.__version__"
    ]
    assert strangers == []


@pytest.mark.parametrize("place", PURE)
def test_pure_code_has_no_input_output_clock_or_threads(place: str) -> None:
    path = PACKAGE / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert files
    impure = [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in files
        for name in sorted(modules_imported(file))
        if name.split(".")[0] in IMPURE_MODULES
    ]
    assert impure == []


def test_every_library_is_declared() -> None:
    """Not only brought along by another one; ``keyring`` is asked where a user has it."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["reports"]]
    names = {re.split(r"[\[<>=]", text)[0].replace("_", "-").lower() for text in declared}
    imported = {
        name.split(".")[0] for file in PACKAGE.rglob("*.py") for name in modules_imported(file)
    } - set(sys.stdlib_module_names)
    of_modules = packages_distributions()
    undeclared = {
        name
        for name in imported - {"mellum_lsp", "keyring", "shop"}
        if not {one.replace("_", "-").lower() for one in of_modules.get(name, [])} & names
    }
    assert undeclared == set()


def test_only_downloads_and_engines_of_a_team_speak_http() -> None:
    """Nothing leaves the machine while it serves, but to an address that the user has named."""
    libraries = {"aiohttp", "http", "httpx", "httpx2", "huggingface_hub", "requests", "urllib3"}
    users = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if any(
            name.split(".")[0] in libraries or name.startswith("urllib.request")
            for name in modules_imported(file)
        )
    }
    assert users == {"engine/remote/client.py", "models/hub.py"}


def test_only_the_engine_touches_llama_cpp() -> None:
    """A crash of native code must cost an engine, never the editor's session (except where a user asks)."""
    users = {
        file.relative_to(PACKAGE).parts[0]
        for file in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == "llama_cpp" for name in modules_imported(file))
    }
    assert users <= {"engine", "cli", "models"}


def test_nothing_but_the_rooms_of_the_protocol_uses_lsp_libraries() -> None:
    users = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] in ("pygls", "lsprotocol") for name in modules_imported(file))
    }
    assert {user for user in users if not user.startswith(("lsp/", "conformance/"))} == set()
