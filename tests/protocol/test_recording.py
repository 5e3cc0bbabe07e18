"""`serve --record` writes down every message, and `protocol replay` plays them against a fresh server."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lsp_client import LspClient, at, isolated, over_stdio
from scripted import scripted

from mellum_lsp.conformance.recordings import RecordingError, chosen, read_recording, sessions_of
from mellum_lsp.conformance.replay import withdrawn_last

URI = "file:///project/grün.py"
SCRIPT = [
    {"after": "def add(a, b):\n    ", "text": "return a + b\n"},
    {"after": "slow = ", "text": "answer()\n", "seconds": 0.3},
]
INLINE = "textDocument/inlineCompletion"


@pytest.fixture
def script(tmp_path: Path) -> str:
    return scripted(tmp_path, SCRIPT)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "recording.jsonl"


async def record(tmp_path: Path, recording: Path, script: str) -> LspClient:
    """A session in which something is accepted, superseded, cancelled, asked by the server and refused."""
    arguments = ("--model", script, "--record", str(recording))
    async with over_stdio(tmp_path, *arguments) as (client, process):
        client.answers["workspace/configuration"] = lambda params: [{"gate": 0.4}]
        await client.initialize(
            capabilities={"workspace": {"configuration": True}}, clientInfo={"name": "editor", "version": "1"}
        )
        await client.until_ready()
        (item,) = await client.inline(URI, client.open(URI, "def add(a, b):\n    $0\n"), kind=1)
        await client.request("workspace/executeCommand", item["command"])
        client.send_body(b"{no json")
        other = client.open("untitled:1", "slow = $0\n")
        _, superseded = client.begin(INLINE, at("untitled:1", other))
        request_id, cancelled = client.begin(INLINE, at("untitled:1", other))
        client.cancel(request_id)
        await asyncio.wait([superseded, cancelled])
        await client.request("mellum/explain", at(URI, {"line": 1, "character": 4}))
        await client.request("mellum/status")
        await client.end()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    return client


def replayed(tmp_path: Path, recording: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """What the command says, and its exit code."""
    command = (sys.executable, "-m", "mellum_lsp", "protocol", "replay", str(recording), "--json", *arguments)
    done = subprocess.run(command, capture_output=True, env=isolated(tmp_path), timeout=60, check=False)
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


async def test_every_message_is_recorded_both_ways(tmp_path: Path, recording: Path, script: str) -> None:
    client = await record(tmp_path, recording, script)
    assert stat.S_IMODE(recording.stat().st_mode) == 0o600
    (session,) = read_recording(recording)
    assert (session.client, session.begin["model"]) == ("editor 1", script)
    assert "source text" in session.begin["note"]

    from_server = [entry for entry in session.entries if entry.sender == "server"]
    assert [entry.message for entry in from_server if entry.is_reply] == client.replies
    assert [
        (e.method, e.params) for e in from_server if e.method and not e.is_request
    ] == client.notifications
    assert [(e.method, e.params) for e in from_server if e.is_request] == client.asked
    sent = [entry for entry in session.entries if entry.sender == "client"]
    assert [entry.method for entry in sent if entry.method][:2] == ["initialize", "initialized"]
    assert [entry.method for entry in sent][-2:] == ["shutdown", "exit"]
    assert [entry.body for entry in sent if entry.message is None] == [b"{no json"]
    times = [entry.at for entry in session.entries]
    assert times == sorted(times)
    assert 0 < times[-1] < 60


async def test_a_killed_server_has_recorded_all_that_led_to_it(
    tmp_path: Path, recording: Path, script: str
) -> None:
    for _ in range(2):  # an editor starts it again with the same options: nothing is overwritten
        async with over_stdio(tmp_path, "--model", script, "--record", str(recording)) as (client, process):
            await client.initialize()
            client.open(URI, "x = 1\n")
            await client.request("mellum/status")
            process.send_signal(signal.SIGKILL)
            await process.wait()
    with recording.open("a") as file:
        file.write('{"session":"br')  # the last line of one that was killed while it wrote
    first, second = read_recording(recording)
    for session in (first, second):
        methods = [entry.method for entry in session.entries if entry.sender == "client"]
        assert methods == ["initialize", "initialized", "textDocument/didOpen", "mellum/status"]


async def test_a_fresh_server_answers_the_same(tmp_path: Path, recording: Path, script: str) -> None:
    """Suggestions have other ids, and the client's commands name those; what was superseded is again."""
    await record(tmp_path, recording, script)
    code, report = replayed(tmp_path, recording)
    assert report["differences"] == []
    assert (code, report["same"], report["answers"], report["client"]) == (0, True, 8, "editor 1")
    assert report["violations"] == []


async def test_what_is_answered_differently_is_shown(tmp_path: Path, recording: Path, script: str) -> None:
    await record(tmp_path, recording, script)
    other = scripted(tmp_path, [{**SCRIPT[0], "text": "return b + a\n"}, SCRIPT[1]], "other.json")
    code, report = replayed(tmp_path, recording, "--model", other)
    assert (code, report["same"]) == (1, False)
    methods = [one["method"] for one in report["differences"]]
    assert methods == [INLINE, "mellum/explain"]
    item = report["differences"][0]["replayed"]["result"]["items"][0]
    assert (item["insertText"], item["command"]["arguments"]) == ("return b + a", ["suggestion 1"])

    command = (sys.executable, "-m", "mellum_lsp", "protocol", "replay", str(recording), "--model")
    shown = subprocess.run(
        (*command, other), capture_output=True, text=True, env=isolated(tmp_path), check=False
    )
    assert shown.returncode == 1
    assert '-        "insertText": "return a + b"' in shown.stdout
    assert '+        "insertText": "return b + a"' in shown.stdout
    assert "editor 1: 8 answers, 2 differ" in shown.stdout


async def test_an_unwritable_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "mellum_lsp", "serve", "--record", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, env=isolated(tmp_path), check=False)
    assert done.returncode == 2
    command = (*command[:-1], str(tmp_path / "missing" / "recording.jsonl"))
    done = subprocess.run(command, capture_output=True, text=True, env=isolated(tmp_path), check=False)
    assert (done.returncode, "cannot record" in done.stderr) == (1, True)


class TestReading:
    def test_what_is_no_recording_is_refused_with_its_line(self) -> None:
        with pytest.raises(RecordingError, match=r"line 1: .*\nhint: "):
            sessions_of(["no recording"])
        with pytest.raises(RecordingError, match="holds no messages"):
            sessions_of([])
        with pytest.raises(RecordingError, match="format 9"):
            sessions_of(['{"session":"a","begin":{"format":9}}'])
        with pytest.raises(RecordingError, match="line 2"):
            sessions_of(['{"message":{}}', "broken", '{"message":{}}'])

    def test_the_last_session_is_chosen_where_none_is_named(self) -> None:
        sessions = sessions_of([json.dumps({"session": name, "message": {}}) for name in "aba"])
        assert chosen(sessions, None).id == "b"
        assert len(chosen(sessions, "a").entries) == 2
        with pytest.raises(RecordingError, match="there are a"):
            chosen(sessions, "c")


class TestReplaying:
    """Requests that were withdrawn are sent directly before what withdrew them."""

    def order(self, *messages: tuple[str, dict[str, Any]]) -> list[tuple[str, Any]]:
        lines = [json.dumps({"from": sender, "message": message}) for sender, message in messages]
        (session,) = sessions_of(lines)
        return [(entry.method or "reply", entry.id) for entry in withdrawn_last(session.entries)]

    def asked(self, number: int, uri: str = URI) -> tuple[str, dict[str, Any]]:
        params = {"textDocument": {"uri": uri}}
        return "client", {"id": number, "method": INLINE, "params": params}

    def test_what_was_cancelled(self) -> None:
        status = ("server", {"method": "mellum/status", "params": {}})
        cancel = ("client", {"method": "$/cancelRequest", "params": {"id": 1}})
        cancelled = ("server", {"id": 1, "error": {"code": -32800, "message": ""}})
        assert self.order(self.asked(1), status, cancel, cancelled) == [
            ("mellum/status", None),
            (INLINE, 1),
            ("$/cancelRequest", None),
            ("reply", 1),
        ]

    def test_what_was_superseded(self) -> None:
        nothing = ("server", {"id": 1, "result": {"items": []}})
        status = ("server", {"method": "mellum/status", "params": {}})
        order = self.order(self.asked(1), status, self.asked(2, "file:///other"), self.asked(3), nothing)
        assert [number for _, number in order] == [None, 2, 1, 3, 1]

    @pytest.mark.parametrize("items", [[], [{"insertText": "x"}]])
    def test_what_was_answered_stays_where_it_was(self, items: list[Any]) -> None:
        answer = ("server", {"id": 1, "result": {"items": items}})
        order = self.order(self.asked(1), answer, self.asked(2))
        assert [number for _, number in order] == [1, 1, 2]
