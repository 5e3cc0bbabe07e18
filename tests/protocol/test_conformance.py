"""`mellum-lsp protocol check`: this server keeps every promise, and each broken one is noticed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lsp_client import LspClient, isolated

from mellum_lsp.conformance.checks import CHECKS, SCRIPT, Check, Peer, Start, Subject, run
from mellum_lsp.lsp.server import create_server

INLINE, COMPLETION = "textDocument/inlineCompletion", "textDocument/completion"
Message = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """Something that a server does wrong, between it and its client: each takes and gives a message or none.

    ``noticed`` are the checks that must fail.
    """

    name: str
    noticed: tuple[str, ...]
    from_client: Callable[[Message], Message | None] = lambda message: message
    from_server: Callable[[Message], Message | list[Message] | None] = lambda message: message
    exit_code: Callable[[int], int] = lambda code: code


def server_with(fault: Fault, script: Path, patience_seconds: float) -> Start:
    """The real server in this process, behind the fault."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Peer]:
        loop = asyncio.get_running_loop()

        def to_client(body: bytes) -> None:
            messages = fault.from_server(json.loads(body))
            for message in messages if isinstance(messages, list) else [messages]:
                if message is not None:
                    loop.call_soon(client.receive, json.dumps(message))

        def to_server(body: bytes) -> None:
            try:
                message = json.loads(body)
            except (ValueError, RecursionError):
                message = None
            if isinstance(message, dict):
                message = fault.from_client(message)
                if message is None:
                    return
                body = json.dumps(message).encode()
            loop.call_soon(server.receive, body)

        async def finished() -> int:
            return fault.exit_code(await server.finished())

        server = create_server(to_client, model=f"scripted:{script}")
        client = LspClient(to_server)
        client.patience_seconds = patience_seconds
        try:
            yield Peer(client, finished)
        finally:
            await server.close()

    return start


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(SCRIPT))
    return path


async def outcomes(checks: list[Check], start: Start) -> dict[str, tuple[str, str]]:
    subject = Subject(start, scripted=True)
    return {made.check.name: (made.result, made.message) async for made in run(subject, checks)}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
async def test_this_server_keeps_the_promise(check: Check, script: Path) -> None:
    seen = await outcomes([check], server_with(Fault("none", ()), script, 20))
    assert seen == {check.name: ("passed", "")}


async def test_a_server_of_which_nothing_is_known_is_checked_for_what_it_must_do(script: Path) -> None:
    """Its answers are not known, so they are not demanded."""
    script.write_text("[]")
    subject = Subject(server_with(Fault("none", ()), script, 20), scripted=False)
    results = [made.result async for made in run(subject)]
    assert results.count("failed") == 0
    assert 10 < results.count("skipped") < 20


def on_items(change: Callable[[Message], None]) -> Callable[[Message], Message]:
    def changed(message: Message) -> Message:
        result = message.get("result")
        for item in result.get("items", []) if isinstance(result, dict) else []:
            change(item)
        return message

    return changed


def empty_as(content: Message) -> Callable[[Message], Message]:
    def changed(message: Message) -> Message:
        result = message.get("result")
        if isinstance(result, dict) and result.get("items") == []:
            del message["result"]
            return message | content
        return message

    return changed


def without_error(code: int) -> Callable[[Message], Message | None]:
    return lambda message: None if message.get("error", {}).get("code") == code else message


def without(method: str) -> Callable[[Message], Message | None]:
    return lambda message: None if message.get("method") == method else message


def error_as(code: int, content: Message) -> Callable[[Message], Message]:
    def changed(message: Message) -> Message:
        if message.get("error", {}).get("code") == code:
            del message["error"]
            return message | content
        return message

    return changed


def on_text(change: Callable[[str], str]) -> Callable[[Message], Message]:
    def changed(message: Message) -> Message:
        if message.get("method") == "textDocument/didOpen":
            document = message["params"]["textDocument"]
            if isinstance(document, dict):
                document["text"] = change(document["text"])
        return message

    return changed


def on_changes(choose: Callable[[list[Message]], list[Message]]) -> Callable[[Message], Message]:
    def changed(message: Message) -> Message:
        params = message.get("params")
        if message.get("method") == "textDocument/didChange" and "contentChanges" in params:
            params["contentChanges"] = choose(params["contentChanges"])
        return message

    return changed


def no_encodings(message: Message) -> Message:
    if message.get("method") == "initialize":
        message["params"]["capabilities"].pop("general", None)
    return message


def claims_utf8(message: Message) -> Message:
    result = message.get("result")
    if isinstance(result, dict) and "capabilities" in result:
        result["capabilities"]["positionEncoding"] = "utf-8"
    return message


def no_inline_offer(message: Message) -> Message:
    result = message.get("result")
    if isinstance(result, dict) and "capabilities" in result:
        del result["capabilities"]["inlineCompletionProvider"]
    return message


def unsaved_unknown(message: Message) -> Message | None:
    document = (message.get("params") or {}) if isinstance(message.get("params"), dict) else {}
    identifier = document.get("textDocument")
    uri = identifier.get("uri") if isinstance(identifier, dict) else ""
    opened = message.get("method") == "textDocument/didOpen"
    return None if opened and not str(uri).startswith("file:") else message


def far_columns_fail(message: Message) -> Message | None:
    params = message.get("params")
    position = params.get("position") if isinstance(params, dict) else None
    return None if isinstance(position, dict) and position.get("character", 0) > 5000 else message


def no_popup(message: Message) -> Message:
    params = message.get("params")
    if isinstance(params, dict) and isinstance(params.get("context"), dict):
        params["context"].pop("selectedCompletionInfo", None)
    return message


def list_beside_ghosts(message: Message) -> Message:
    if message.get("method") == INLINE and isinstance(message["params"], dict):
        return message | {"method": COMPLETION}
    return message


def renamed(old: str, new: str) -> Callable[[Message], Message]:
    def changed(message: Message) -> Message:
        return json.loads(json.dumps(message).replace(f'"{old}":', f'"{new}":'))

    return changed


def cancelled_unasked(message: Message) -> Message:
    result = message.get("result")
    if isinstance(result, dict) and result.get("items") == []:
        del message["result"]
        message["error"] = {"code": -32800, "message": "cancelled"}
    return message


NULL = {"result": None}
FAULTS = [
    Fault("answers twice", ("one-reply-each",), from_server=lambda message: [message, dict(message)]),
    Fault("says null for nothing", ("nothing-is-an-empty-list",), from_server=empty_as(NULL)),
    Fault(
        "says that content was modified",
        ("superseded",),
        from_server=empty_as({"error": {"code": -32801, "message": "content modified"}}),
    ),
    Fault("says cancelled unasked", ("one-reply-each",), from_server=cancelled_unasked),
    Fault(
        "drops what is superseded",
        ("superseded", "one-reply-each"),
        from_server=lambda m: (
            m if not isinstance(m.get("result"), dict) or m["result"].get("items") != [] else None
        ),
    ),
    Fault("does not hear cancels", ("cancelled",), from_client=without("$/cancelRequest")),
    Fault("answers what was cancelled", ("cancelled",), from_server=error_as(-32800, NULL)),
    Fault("counts UTF-16 always", ("position-encodings",), from_client=no_encodings),
    Fault("names another unit", ("position-encodings",), from_server=claims_utf8),
    Fault("applies the first change", ("incremental-changes",), from_client=on_changes(lambda c: c[:1])),
    Fault(
        "ignores whole texts",
        ("whole-texts",),
        from_client=on_changes(lambda changes: [change for change in changes if "range" in change]),
    ),
    Fault(
        "ends lines at U+2028",
        ("line-endings",),
        from_client=on_text(lambda text: text.replace("\u2028", "\n")),
    ),
    Fault("knows no far columns", ("positions-out-of-bounds",), from_client=far_columns_fail),
    Fault("forgets to close", ("opened-again",), from_client=without("textDocument/didClose")),
    Fault("serves files alone", ("unsaved-documents",), from_client=unsaved_unknown),
    Fault(
        "ranges of two lines",
        ("inline-items",),
        from_server=on_items(lambda i: "range" in i and i["range"]["end"].update(line=99)),
    ),
    Fault(
        "doubles closers",
        ("closers",),
        from_server=on_items(lambda item: item.update(insertText=f"{item['insertText']})")),
    ),
    Fault(
        "inserts plain newlines",
        ("own-line-endings",),
        from_server=on_items(lambda item: item.update(insertText=item["insertText"].replace("\r", ""))),
    ),
    Fault("labels of two lines", ("list-items",), from_server=on_items(lambda i: i.update(label="a\nb"))),
    Fault(
        "does not filter",
        ("list-items-replace-the-word",),
        from_server=on_items(lambda item: item.pop("filterText", None)),
    ),
    Fault("has no command", ("acceptance",), from_server=on_items(lambda item: item.pop("command"))),
    Fault(
        "answers commands",
        ("acceptance",),
        from_server=lambda m: m | {"result": {}} if m.get("result", 1) is None else m,
    ),
    Fault(
        "runs any command", ("unknown-commands", "unreadable-parameters"), from_server=error_as(-32602, NULL)
    ),
    Fault("fills the list beside ghosts", ("ghosts-keep-the-list-free",), from_client=list_beside_ghosts),
    Fault("ignores the popup", ("popup",), from_client=no_popup),
    Fault("renames a field", ("telling",), from_server=renamed("source", "plan")),
    Fault("serves before initialize", ("nothing-before-initialize",), from_server=error_as(-32002, NULL)),
    Fault(
        "begins twice, serves after the end",
        ("initialize-once", "orderly-end", "no-message"),
        from_server=error_as(-32600, NULL),
    ),
    Fault("offers only lists", ("offered-to-everyone",), from_server=no_inline_offer),
    Fault("ends with 1", ("orderly-end",), exit_code=lambda code: 1),
    Fault("ends with 0", ("exit-without-shutdown",), exit_code=lambda code: 0),
    Fault("waits before it ends", ("shutdown-waits-for-nobody",), from_client=without("shutdown")),
    Fault("knows no unknown methods", ("unknown-methods",), from_server=without_error(-32601)),
    Fault("swallows nonsense", ("no-json",), from_server=without_error(-32700)),
    Fault(
        "knows numbers alone as ids",
        ("strangers",),
        from_client=lambda message: None if isinstance(message.get("id"), str) else message,
    ),
    Fault(
        "supersedes across methods",
        ("others-are-left-alone",),
        from_client=lambda message: (
            message | {"method": INLINE} if message.get("method") == COMPLETION else message
        ),
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_broken_promise_is_noticed(fault: Fault, script: Path) -> None:
    checks = [check for check in CHECKS if check.name in fault.noticed]
    seen = await outcomes(checks, server_with(fault, script, 1.0))
    assert {name: result for name, (result, _) in seen.items()} == dict.fromkeys(fault.noticed, "failed")
    assert all(message for _, message in seen.values()), "each says what it saw"


def test_no_check_passes_whatever_a_server_does() -> None:
    assert {name for fault in FAULTS for name in fault.noticed} == {check.name for check in CHECKS}


class TestCommand:
    def check(self, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "mellum_lsp", "protocol", "check", *arguments)
        return subprocess.run(
            command, capture_output=True, text=True, env=isolated(tmp_path), timeout=60, check=False
        )

    def test_a_server_in_a_process_of_its_own_passes(self, tmp_path: Path) -> None:
        names = ("orderly-end", "exit-without-shutdown", "one-reply-each")
        done = self.check(tmp_path, "--json", *(f"--only={name}" for name in names))
        assert done.returncode == 0, done.stdout
        report = json.loads(done.stdout)
        assert report["passed"] == 3
        assert {check["name"] for check in report["checks"]} == set(names)

    def test_a_server_that_fails_is_shown_with_what_was_seen(self, tmp_path: Path) -> None:
        done = self.check(tmp_path, "--only=orderly-end", "--", sys.executable, "-c", "pass")
        assert done.returncode == 1
        assert "✗ orderly-end: Shutdown is answered null" in done.stdout
        assert "the server ended before it answered" in done.stdout

    def test_a_command_that_does_not_exist_is_an_error(self, tmp_path: Path) -> None:
        done = self.check(tmp_path, "--", "no-such-program-here")
        assert (done.returncode, "hint: check the command" in done.stderr) == (1, True)
        assert self.check(tmp_path, "--only=nothing").returncode == 2
