"""The manifest of the VS Code extension: every setting of the server is in it, as the schema says it is."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from types import ModuleType
from typing import Any

import pytest
from neovim import REPOSITORY

EXTENSION = REPOSITORY / "editor-configs" / "vscode"


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EXTENSION / "package.json").read_text("utf-8"))
    return loaded


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("settings", EXTENSION / "scripts" / "settings.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def properties(manifest: dict[str, Any]) -> dict[str, Any]:
    groups = manifest["contributes"]["configuration"]
    return {name: value for group in groups for name, value in group["properties"].items()}


def test_the_manifest_is_what_the_schema_makes_of_it(manifest: dict[str, Any], generator: ModuleType) -> None:
    written = (EXTENSION / "package.json").read_text("utf-8")
    assert generator.written(manifest) == written, "run python editor-configs/vscode/scripts/settings.py"


def test_every_setting_of_the_server_can_be_set(manifest: dict[str, Any]) -> None:
    schema = json.loads((REPOSITORY / "docs" / "settings.schema.json").read_text("utf-8"))
    top = {name for name in schema["properties"] if name != "engine"}
    engine = {f"engine.{name}" for name in schema["$defs"]["EngineOptions"]["properties"]}
    own = {"serverPath", "serverPackage", "trace.server"}
    assert {name.removeprefix("mellum.") for name in properties(manifest)} == top | engine | own


def test_settings_say_what_they_are_and_who_may_set_them(manifest: dict[str, Any]) -> None:
    for name, value in properties(manifest).items():
        assert value["markdownDescription"], name
        assert value["scope"] in ("window", "machine-overridable", "language-overridable"), name
        assert "type" in value or "enum" in value, name
        for linked in re.findall(r"#(mellum\.[\w.]+)#", value["markdownDescription"]):
            assert linked in properties(manifest), f"{name} links to {linked}"


def test_a_workspace_that_is_not_trusted_chooses_neither_program_nor_model_nor_address(
    manifest: dict[str, Any],
) -> None:
    restricted = manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    assert {"mellum.serverPath", "mellum.serverPackage", "mellum.model", "mellum.engine.url"} <= set(
        restricted
    )
    assert set(restricted) <= set(properties(manifest))


def test_what_the_manifest_names_is_there(manifest: dict[str, Any]) -> None:
    contributes = manifest["contributes"]
    commands = {command["command"] for command in contributes["commands"]}
    sources = "\n".join(file.read_text("utf-8") for file in EXTENSION.glob("src/**/*.ts"))
    for command in commands:
        name = command.removeprefix("mellum.")
        assert f'command("{name}"' in sources or f'registerCommand("{command}"' in sources, command
    for binding in contributes["keybindings"]:
        assert binding["command"] in {*commands, "editor.action.inlineSuggest.trigger"}, "or VS Code's own"
    steps = [step for walkthrough in contributes["walkthroughs"] for step in walkthrough["steps"]]
    for step in steps:
        for path in (step["media"].get("image"), step["media"].get("markdown")):
            assert path is None or (EXTENSION / path).is_file(), path
        events = [event.removeprefix("onCommand:") for event in step.get("completionEvents", [])]
        ticked = {event for event in events if event.startswith("mellum.walkthrough.")}
        assert set(events) - ticked <= commands
        assert ticked <= {f"mellum.walkthrough.{step['id']}"}
        assert all(f'reach("{step["id"]}")' in sources for _ in ticked), "the extension tells of it"
        events = [event.removeprefix("onCommand:") for event in step.get("completionEvents", [])]
        ticked = {event for event in events if event.startswith("mellum.walkthrough.")}
        assert set(events) - ticked <= commands
        assert ticked <= {f"mellum.walkthrough.{step['id']}"}
        assert all(f'reach("{step["id"]}")' in sources for _ in ticked), "the extension tells of it"
        for linked in re.findall(r"\(command:(mellum\.\w+)\)", step["description"]):
            assert linked in commands, linked
    assert (EXTENSION / manifest["icon"]).is_file()


def test_the_oldest_python_is_the_projects(manifest: dict[str, Any]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    source = (EXTENSION / "src" / "server" / "python.ts").read_text("utf-8")
    (oldest,) = re.findall(r"OLDEST = \[(\d+), (\d+)\]", source)
    assert project["requires-python"] == f">={'.'.join(oldest)}"
    assert project["version"] == manifest["version"]


def test_nothing_but_the_language_client_is_needed_at_run_time(manifest: dict[str, Any]) -> None:
    assert list(manifest["dependencies"]) == ["vscode-languageclient"]
    assert set(manifest["devDependencies"]) == {
        "@types/node",
        "@types/vscode",
        "@vscode/vsce",
        "esbuild",
        "typescript",
    }
    lock = json.loads((EXTENSION / "package-lock.json").read_text("utf-8"))
    without = [name for name, one in lock["packages"].items() if name and "integrity" not in one]
    assert not without, "every package is pinned by its hash"
