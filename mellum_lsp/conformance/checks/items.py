"""What suggestions look like, and what becomes of them."""

from __future__ import annotations

from typing import Any

from mellum_lsp.conformance.checks.check import INLINE, Subject, check, only, refused, require
from mellum_lsp.conformance.client import LspClient, at

INVALID_PARAMS = -32602


@check("lsp")
async def inline_items(subject: Subject) -> None:
    """An inline item has a text, and its range is on the caret's line and holds the caret."""
    for text in ("def add(a, b):\n    $0\n", "x = 1; print($0)\n", "for name in names:\n    $0"):
        client, uri = await subject.running(), subject.uri()
        caret = client.open(uri, text)
        items = await client.inline(uri, caret, kind=1)
        if subject.scripted:
            only(items, repr(text))
        for item in items:
            inserted = item.get("insertText")
            require(isinstance(inserted, str) and inserted, f"insertText is {inserted!r}")
            _holds(item.get("range"), caret, text)


@check("mellum")
async def closers(subject: Subject) -> None:
    """Brackets that the editor closed by itself are not doubled by a suggestion that closes them."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    caret = client.open(uri, "print($0)\n")
    item = only(await client.inline(uri, caret, kind=1), "print()")
    require(item["range"]["start"] == caret, f"the range {item['range']} does not begin at the caret")
    rest = "print()"[item["range"]["end"]["character"] :]
    line = f"print({item['insertText']}{rest}"
    require(line == "print(value)", f"the line becomes {line!r}")


@check("mellum")
async def own_line_endings(subject: Subject) -> None:
    """What is inserted has the line endings of its document."""
    subject.needs_script()
    client = await subject.running()
    for ending in ("\n", "\r\n"):
        uri = subject.uri()
        caret = client.open(uri, f"for name in names:{ending}    $0{ending}")
        text = only(await client.inline(uri, caret, kind=1), f"lines that end with {ending!r}")["insertText"]
        expected = f"if name:{ending}        print(name)"
        require(text == expected, f"suggested {text!r} in place of {expected!r}")


@check("lsp")
async def list_items(subject: Subject) -> None:
    """A list item has a label of one line, and an edit on the caret's line that holds the caret."""
    for text in ("def add(a, b):\n    $0\n", "def add(a, b):\n    ret$0\n", "for name in names:\n    $0"):
        client, uri = await subject.running(), subject.uri()
        caret = client.open(uri, text)
        items = await client.complete(uri, caret)
        if subject.scripted:
            only(items, repr(text))
        for item in items:
            label = item.get("label")
            require(isinstance(label, str) and label and "\n" not in label, f"the label is {label!r}")
            if edit := item.get("textEdit"):
                _holds(edit.get("range"), caret, text)


@check("mellum")
async def list_items_replace_the_word(subject: Subject) -> None:
    """A list item replaces the typed word, is filtered by it and shows the code in full."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    caret = client.open(uri, "def add(a, b):\n    ret$0\n")
    item = only(await client.complete(uri, caret), "a typed word")
    require(item["filterText"] == "ret", f"filterText is {item.get('filterText')!r}")
    edit = {
        "range": {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 7}},
        "newText": "return a + b",
    }
    require(item["textEdit"] == edit, f"textEdit is {item['textEdit']}")
    require("return a + b" in item["documentation"]["value"], f"documentation is {item['documentation']}")


@check("mellum")
async def acceptance(subject: Subject) -> None:
    """Every item carries the command mellum.accepted with its id; running it is answered null."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    caret = client.open(uri, "def add(a, b):\n    $0\n")
    items = [
        only(await client.complete(uri, caret), "a list"),
        only(await client.inline(uri, caret, kind=1), "a ghost"),
    ]
    for item in items:
        command = item.get("command") or {}
        require(command.get("command") == "mellum.accepted", f"the command is {command}")
        for more in ({}, {"command": "mellum.shown"}, {"command": "mellum.dismissed"}):
            result = await client.request("workspace/executeCommand", {**command, **more})
            require(result is None, f"{more or command} was answered {result!r}")
    partly = {"command": "mellum.partiallyAccepted", "arguments": [*items[0]["command"]["arguments"], 6]}
    await client.request("workspace/executeCommand", partly)


@check("lsp")
async def unknown_commands(subject: Subject) -> None:
    """An unknown command is an error."""
    client = await subject.running()
    if "executeCommandProvider" in client.capabilities:
        command = {"command": "conformance.unknown", "arguments": []}
        await refused(
            client.request("workspace/executeCommand", command), INVALID_PARAMS, "an unknown command"
        )


@check("mellum")
async def ghosts_keep_the_list_free(subject: Subject) -> None:
    """The list is empty in documents in which the client asks for inline completions."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    caret = client.open(uri, "def add(a, b):\n    $0\n")
    await client.inline(uri, caret, kind=1)
    items = await client.complete(uri, caret)
    require(not items, f"the list holds {items}")


@check("mellum")
async def popup(subject: Subject) -> None:
    """An entry selected in the popup counts as typed."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    params: dict[str, Any] = at(uri, client.open(uri, "items.app$0\n"))
    selected = {"start": {"line": 0, "character": 6}, "end": params["position"]}
    params["context"]["selectedCompletionInfo"] = {"range": selected, "text": "append"}
    item = only((await client.request(INLINE, params))["items"], "a selected entry")
    require(item["insertText"] == "append(thing)", f"suggested {item['insertText']!r}")
    require(item["range"] == selected, f"the range is {item['range']}")


@check("mellum")
async def telling(subject: Subject) -> None:
    """Status and explanation have every field that is documented."""
    client, uri = await subject.running(), subject.uri()
    status = await client.request("mellum/status")
    _has(status, {"state": str, "message": str, "model": str, "engine": dict, "index": dict}, "the status")
    _has(status["engine"], {"mode": str}, "the status's engine")
    _has(status["index"], {"files": int, "chunks": int, "state": str}, "the status's index")
    explained = await _explained(client, uri, "def add(a, b):\n    $0\n")
    for answer in (explained, await client.request("mellum/explain", at("file:///nowhere.py", _START))):
        _has(answer, EXPLANATION, "the explanation")
        require(answer["text"] or answer["reason"], "the explanation has neither a text nor a reason")


_START = {"line": 0, "character": 0}
EXPLANATION: dict[str, type] = {
    "prompt": str,
    "parts": list,
    "tokens": dict,
    "chunks": list,
    "steps": list,
    "gate": dict,
    "text": str,
    "reason": str,
    "timings": dict,
    "model": str,
    "source": str,
}


async def _explained(client: LspClient, uri: str, text: str) -> Any:
    return await client.request("mellum/explain", at(uri, client.open(uri, text)))


def _has(document: Any, fields: dict[str, type], what: str) -> None:
    for name, kind in fields.items():
        value = document.get(name) if isinstance(document, dict) else None
        require(isinstance(value, kind), f"{what} has {name} = {value!r}")


def _holds(range_: Any, caret: dict[str, int], text: str) -> None:
    """The range is on one line and holds the caret."""
    complaint = f"{text!r}: the range is {range_}, the caret {caret}"
    require(isinstance(range_, dict), complaint)
    start, end = range_["start"], range_["end"]
    require(start["line"] == end["line"] == caret["line"], complaint)
    require(start["character"] <= caret["character"] <= end["character"], complaint)
