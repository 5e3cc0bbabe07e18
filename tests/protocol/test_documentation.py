"""docs/protocol.md is true: every method, message and setting is in it, and its examples are what is said."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from fake_backend import Lab
from lsp_client import LspClient, at

import mellum_lsp.lsp
from mellum_lsp.cli.protocol import protocol
from mellum_lsp.completion.outcome import Item
from mellum_lsp.completion.reasons import Silence
from mellum_lsp.conformance.recordings import sessions_of
from mellum_lsp.conformance.replay import replay
from mellum_lsp.engine.script_file import Line, read_script
from mellum_lsp.lsp.methods.execute_command import COMMANDS
from mellum_lsp.lsp.server import create_server
from mellum_lsp.lsp.settings import Settings
from mellum_lsp.lsp.settings_reading import read_settings
from mellum_lsp.lsp.status import State

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
URI = "file:///project/a.py"


def section(heading: str) -> str:
    """The text between a heading and the next one of the same level or above."""
    level = heading.split(" ")[0]
    after = TEXT.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(level)}}} ", after, maxsplit=1)[0]


def example(heading: str, number: int = 0) -> Any:
    return json.loads(re.findall(r"```json\n(.*?)```", section(heading), re.DOTALL)[number])


def rows(heading: str) -> dict[str, str]:
    """The rows of a section's table: what stands in the first cell, and what in the others."""
    return dict(re.findall(r"^\| (`.*?) \| (.*) \|$", section(heading), re.MULTILINE))


def names(document: dict[str, Any], above: str = "") -> list[str]:
    """The dotted names of all values in a JSON object."""
    return [
        name
        for key, value in document.items()
        for name in (names(value, f"{above}{key}.") if isinstance(value, dict) else [f"{above}{key}"])
    ]


def first_cells(table: str) -> list[str]:
    """Everything in backticks in the first cells of a table's rows."""
    rows = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def shape(value: Any) -> Any:
    """The names and kinds in a JSON value."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return "number" if isinstance(value, int | float) else type(value).__name__


async def test_every_method_is_documented_and_every_documented_method_is_served(client: LspClient) -> None:
    from_client = section("## Methods").split("| to the client |")[0]
    served = {*client.server.protocol.methods, "exit", "$/cancelRequest"}
    assert set(first_cells(from_client)) == served


def test_every_message_to_the_client_is_documented() -> None:
    sources = "\n".join(path.read_text() for path in (Path(mellum_lsp.lsp.__path__[0])).rglob("*.py"))
    calls = {
        "workspace_configuration_async": "workspace/configuration",
        "client_register_capability_async": "client/registerCapability",
        "window_work_done_progress_create_async": "window/workDoneProgress/create",
        "progress": "$/progress",
        "window_show_message": "window/showMessage",
        'protocol.notify("mellum/status"': "mellum/status",
        'protocol.notify("$/logTrace"': "$/logTrace",
    }
    spoken = set(re.findall(r"server\.((?:protocol\.notify\(\"[^\"]+\")|[a-z_]+)(?=\(|,)", sources))
    spoken -= {"receive", "close", "finished"}
    assert spoken == set(calls)
    assert set(first_cells(section("## Methods").split("| to the client |")[1])) == set(calls.values())


async def test_the_inline_completion_example_is_what_is_answered(client: LspClient, lab: Lab) -> None:
    heading = "### `textDocument/inlineCompletion`"
    request, expected = example(heading, 0), example(heading, 1)
    client.open(request["textDocument"]["uri"], "def add(a, b):\n    $0\n")
    answer = await client.request("textDocument/inlineCompletion", request)
    assert shape(answer) == shape(expected)
    assert {**answer["items"][0], "command": None} == {**expected["items"][0], "command": None}


async def test_the_status_example_has_the_shape_of_the_real_one(client: LspClient) -> None:
    answer = await client.request("mellum/status")
    answer["engine"]["pid"] = 1
    assert shape(answer) == shape(example("### `mellum/status`"))
    fields = rows("### `mellum/status`")
    assert [name for cell in fields for name in re.findall(r"`([^`]+)`", cell)] == names(answer)
    assert set(re.findall(r"`([a-z]+)`", fields["`state`"])) == set(get_args(State))


async def test_the_explain_example_has_the_fields_of_the_real_one(client: LspClient) -> None:
    answer = await client.request("mellum/explain", at(URI, client.open(URI, "$0")))
    documented = example("### `mellum/explain`")
    assert list(documented) == list(answer)
    fields = rows("### `mellum/explain`")
    assert list(fields) == [f"`{name}`" for name in answer]
    for name, description in fields.items():
        value = documented[name.strip("`")]
        inner = value[0] if isinstance(value, list) else value
        told = set(re.findall(r"`(\w+)`", description))
        assert not isinstance(inner, dict) or set(inner) <= told, name
    for name in ("tokens", "gate", "timings"):
        assert shape(documented[name]) == shape(answer[name])


async def test_the_other_examples_are_understood(client: LspClient, lab: Lab) -> None:
    moved = example("### `mellum/didMoveCaret`")
    client.open(moved["textDocument"]["uri"], "x = 1\n")
    client.notify("mellum/didMoveCaret", moved)
    partly = example("## Feedback")
    (lab.completer.item,) = [Item(partly["item"]["command"]["arguments"][0], partly["item"]["insertText"])]
    await client.inline(moved["textDocument"]["uri"], moved["position"])
    client.notify("textDocument/didPartiallyAcceptCompletion", partly)
    await client.request("mellum/status")
    assert [event.characters for event in lab.events] == [partly["acceptedLength"]]
    assert len(lab.completer.warmed) == 1


def test_every_command_is_documented() -> None:
    assert tuple(first_cells(section("## Feedback"))) == COMMANDS


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", section("## Settings"), re.MULTILINE)
    defaults = json.loads(msgspec.json.encode(Settings()))
    engine = defaults.pop("engine")
    defaults |= {f"engine.{name}": value for name, value in engine.items()}
    assert {name: json.loads(value) for name, value in rows} == defaults


def test_the_settings_example_has_no_mistakes() -> None:
    assert read_settings(example("## Settings"))[1] == []


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "script.json"
    file.write_text(json.dumps(example("## Trying it without a model")))
    return file


def test_the_script_example_is_a_script(script: Path) -> None:
    assert len(read_script(script)) == 2
    assert [name.strip("`") for name in rows("## Trying it without a model")] == [
        field.name for field in msgspec.structs.fields(Line)
    ]


async def test_the_session_is_what_is_said(script: Path) -> None:
    """Played again, with the script of the page: every answer is the one that the page shows."""
    (text,) = re.findall(r"```jsonl\n(.*?)```", section("## A session, message by message"), re.DOTALL)
    (session,) = sessions_of(text.splitlines())
    loop = asyncio.get_running_loop()
    server = create_server(lambda body: loop.call_soon(client.receive, body), model=f"scripted:{script}")
    client = LspClient(lambda body: loop.call_soon(server.receive, body))
    try:
        report = await replay(session, client)
    finally:
        await server.close()
    assert (report.differences, report.violations) == ([], [])
    assert report.answers == 10


def test_every_reason_is_documented_in_its_own_words() -> None:
    assert rows("## Reasons") == {f"`{kind.short}`": kind.sentence for kind in Silence}


def test_every_command_for_plugin_authors_is_documented() -> None:
    documented = {name.split()[2] for name in first_cells(section("## Recording, replaying, checking"))}
    assert documented == set(protocol.commands)


@pytest.mark.parametrize("code", [-32700, -32600, -32601, -32602, -32002, -32800])
def test_every_error_code_is_documented(code: int) -> None:
    assert f"{code}" in section("## Rules that hold for every message")
