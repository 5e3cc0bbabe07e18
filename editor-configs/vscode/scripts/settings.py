"""Writes the server's settings into the extension's manifest, as VS Code wants them described.

    python editor-configs/vscode/scripts/settings.py

`docs/settings.schema.json` says what a setting is; this file adds what only VS Code knows: in which group of
the settings editor it is shown and who may set it. `tests/editors/test_vscode_manifest.py` fails where the
manifest is not what this makes of the schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXTENSION = Path(__file__).parents[1]
SCHEMA = EXTENSION.parents[1] / "docs" / "settings.schema.json"
MANIFEST = EXTENSION / "package.json"

ON_THIS_MACHINE = "machine-overridable"
"""Says what runs, or where code goes: not carried from machine to machine with a user's other settings."""

SCOPES = {
    "enabled": "language-overridable",
    "model": ON_THIS_MACHINE,
    "contextTokens": ON_THIS_MACHINE,
    "latencyTargetMs": ON_THIS_MACHINE,
}
"""Others belong to the window: a server has one set of settings for all folders of its window."""

RESTRICTED = ("serverPath", "serverPackage", "model", "engine.url", "engine.model", "engine.apiKeyVariable")
"""A workspace that is not trusted cannot set them."""

GROUPS = {
    "Suggestions": (
        "enabled",
        "languages",
        "exclude",
        "gate",
        "maxLines",
        "minimumCharacters",
        "midWord",
        "suppressIn",
    ),
    "Model": ("model", "contextTokens", "latencyTargetMs", "prefetch", "engine."),
}
"""By the beginnings of their names; what is not named here comes last."""

OWN: dict[str, dict[str, Any]] = {
    "mellum.serverPath": {
        "type": "string",
        "default": "",
        "scope": ON_THIS_MACHINE,
        "order": 0,
        "markdownDescription": "The program `mellum-lsp`: a name on the `PATH`, or a full path such as "
        "`~/mellum-lsp/.venv/bin/mellum-lsp`. Empty: it is looked for on the `PATH`, beside the Python "
        "interpreter that is selected for the workspace, in the workspace's `.venv`, and in the environment "
        "that **Mellum: Install or Update the Server** makes.",
    },
    "mellum.serverPackage": {
        "type": "string",
        "default": "mellum-lsp",
        "scope": ON_THIS_MACHINE,
        "order": 1,
        "markdownDescription": "What **Mellum: Install or Update the Server** has `pip` install: a name, "
        "such as `mellum-lsp==0.1.0`, or the path of a wheel or of a checkout.",
    },
    "mellum.trace.server": {
        "type": "string",
        "enum": ["off", "messages", "verbose"],
        "default": "off",
        "scope": "window",
        "order": 2,
        "markdownDescription": "Whether messages between VS Code and the server are logged. `verbose` logs "
        "their contents, and so source text.",
    },
}
"""The extension's own settings."""


def server_settings(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings of the server by their dotted names, as properties of a VS Code configuration."""
    return {f"mellum.{name}": _described(name, value) for name, value in _flat(schema, schema)}


def configuration() -> list[dict[str, Any]]:
    """``contributes.configuration``: groups of settings with a title each."""
    left = server_settings(json.loads(SCHEMA.read_text(encoding="utf-8")))
    groups = [{"title": "Server", "properties": OWN}]
    for title, beginnings in GROUPS.items():
        chosen = [f"mellum.{beginning}" for beginning in beginnings]
        names = [name for start in chosen for name in left if _belongs(name, start)]
        properties = {name: {**left.pop(name), "order": order} for order, name in enumerate(names)}
        groups.append({"title": title, "properties": properties})
    return [*groups, {"title": "More", "properties": left}]


def written(manifest: dict[str, Any]) -> str:
    """The manifest with the settings in their place."""
    manifest["contributes"]["configuration"] = configuration()
    restricted = [f"mellum.{name}" for name in RESTRICTED]
    manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] = restricted
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _belongs(name: str, start: str) -> bool:
    return name.startswith(start) if start.endswith(".") else name == start


def _flat(
    schema: dict[str, Any], node: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in node["properties"].items():
        if "$ref" in value:
            definition = schema["$defs"][value["$ref"].rpartition("/")[2]]
            yield from _flat(schema, definition, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _described(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """VS Code shows neither ``anyOf`` nor ``examples``: types are joined, and examples told in words."""
    choices = value.get("anyOf", [value])
    kinds = [choice.get("type") or _kind_of(choice["enum"][0]) for choice in choices]
    found: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    for choice in choices:
        found |= {key: choice[key] for key in ("minimum", "maximum", "items") if key in choice}
    enums = [choice["enum"] for choice in choices if "enum" in choice]
    if enums and all("enum" in choice or choice.get("type") == "null" for choice in choices):
        found["enum"] = [*enums[0], *([None] if len(choices) > 1 else [])]
        del found["type"]
    elif enums:
        found["pattern"] = f"^({'|'.join(enums[0])})$"
    items = found.get("items", {})
    if "enum" in items:
        found |= {"items": {"type": "string", **items}, "uniqueItems": True}
    default_scope = ON_THIS_MACHINE if name.startswith("engine.") else "window"
    return {
        **found,
        "default": value["default"],
        "scope": SCOPES.get(name, default_scope),
        "markdownDescription": _linked(value["description"]) + _examples(value.get("examples", [])),
    }


def _kind_of(value: object) -> str:
    return {str: "string", bool: "boolean", int: "integer"}[type(value)]


def _linked(description: str) -> str:
    """Names of other settings become links to them."""
    names = "|".join(re.escape(name) for name in _names())
    return re.sub(rf"`({names})`", r"`#mellum.\1#`", description)


def _names() -> list[str]:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return [name for name, _ in _flat(schema, schema)]


def _examples(examples: list[Any]) -> str:
    told = " or ".join(f"`{json.dumps(example)}`" for example in examples)
    return f" For example {told}." if told else ""


if __name__ == "__main__":
    MANIFEST.write_text(written(json.loads(MANIFEST.read_text(encoding="utf-8"))), encoding="utf-8")
