"""The real server in a process of its own, with a scripted engine: stdio, TCP and WebSocket."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lsp_client import (
    SERVE,
    LspClient,
    ServerError,
    at,
    eventually,
    isolated,
    listening,
    over_stdio,
    over_tcp,
    over_websocket,
    session,
)
from scripted import scripted

URI = "file:///project/a.py"
INLINE = "textDocument/inlineCompletion"
Started = tuple[LspClient, asyncio.subprocess.Process]

SCRIPT = [
    {"after": "def add(a, b):\n    ", "text": "return a + b\n"},
    {"after": "never = ", "text": "answer()\n", "seconds": 600},
]


@pytest.fixture
def model(tmp_path: Path) -> tuple[str, str]:
    return "--model", scripted(tmp_path, SCRIPT)


@pytest.fixture
async def started(tmp_path: Path, model: tuple[str, str]) -> AsyncIterator[Started]:
    async with session(tmp_path, *model) as running:
        yield running


class TestStdio:
    async def test_a_completion_and_a_log_without_source_text(self, started: Started, tmp_path: Path) -> None:
        client, _ = started
        uri = (tmp_path / "a.py").as_uri()
        (item,) = await client.inline(uri, client.open(uri, "def add(a, b):\n    $0\n"), kind=1)
        assert item["insertText"] == "return a + b"
        log = tmp_path / "state" / "mellum-lsp" / "server.log"
        answered = r"^\S+ \S+ \d+ INFO mellum_lsp\.lsp\.answers: a\.py: answered in"
        await eventually(lambda: re.search(answered, log.read_text(), re.MULTILINE))  # a thread writes it
        assert "return" not in log.read_text()
        assert (tmp_path / "stderr.txt").read_text() == ""

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
    async def test_a_full_disk_costs_the_log_alone(self, tmp_path: Path, model: tuple[str, str]) -> None:
        state = tmp_path / "state" / "mellum-lsp"
        state.mkdir(parents=True)
        (state / "server.log").symlink_to("/dev/full")
        async with session(tmp_path, *model) as (client, _):
            uri = (tmp_path / "a.py").as_uri()
            assert await client.inline(uri, client.open(uri, "def add(a, b):\n    $0\n"), kind=1)
        assert (tmp_path / "stderr.txt").read_text() == ""

    async def test_a_cancelled_request_frees_the_engine(self, started: Started) -> None:
        client, _ = started
        caret = client.open(URI, "never = $0\n")
        request_id, reply = client.begin(INLINE, at(URI, caret, 1))
        await asyncio.sleep(0.1)
        client.cancel(request_id)
        with pytest.raises(ServerError) as error:
            await reply
        assert error.value.code == -32800
        other = client.open("file:///project/b.py", "def add(a, b):\n    $0\n")
        assert await client.inline("file:///project/b.py", other, kind=1)

    async def test_shutdown_does_not_wait_for_the_engine(self, started: Started) -> None:
        client, process = started
        _, reply = client.begin(INLINE, at(URI, client.open(URI, "never = $0\n"), 1))
        await asyncio.sleep(0.1)
        await client.end()
        assert await reply == {"items": []}
        assert await asyncio.wait_for(process.wait(), 5) == 0

    async def test_requests_behind_exit_are_refused_and_not_forgotten(self, started: Started) -> None:
        client, process = started
        _, shutdown = client.begin("shutdown")
        client.notify("exit")
        _, late = client.begin("mellum/status")
        assert await asyncio.wait_for(process.wait(), 5) == 0
        assert await shutdown is None
        with pytest.raises(ServerError):
            await asyncio.wait_for(late, 5)

    async def test_a_client_that_reads_nothing_does_not_stop_the_server_from_listening(
        self, tmp_path: Path, model: tuple[str, str]
    ) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *SERVE,
            *model,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=isolated(tmp_path),
            limit=1024,
        )
        assert process.stdin and process.stdout
        request = b'{"jsonrpc":"2.0","id":1,"method":"mellum/unknown"}'
        process.stdin.write(b"".join([b"Content-Length: %d\r\n\r\n%b" % (len(request), request)] * 20_000))
        await asyncio.wait_for(process.stdin.drain(), 10)
        process.stdin.close()
        answers = await asyncio.wait_for(process.stdout.read(), 10)
        assert answers.count(b"Content-Length") == 20_000
        await process.wait()

    async def test_the_end_of_input_ends_the_server(self, tmp_path: Path, model: tuple[str, str]) -> None:
        async with over_stdio(tmp_path, *model) as (client, process):
            await client.initialize()
            assert process.stdin
            process.stdin.close()
            assert await asyncio.wait_for(process.wait(), 5) == 1

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    async def test_being_told_to_end_ends_the_server(self, started: Started, number: int) -> None:
        client, process = started
        _, reply = client.begin(INLINE, at(URI, client.open(URI, "never = $0\n"), 1))
        await asyncio.sleep(0.1)
        process.send_signal(number)
        await asyncio.wait_for(process.wait(), 5)
        assert await reply == {"items": []}

    async def test_a_model_that_does_not_exist_is_told_and_the_session_goes_on(self, tmp_path: Path) -> None:
        async with over_stdio(tmp_path, "--model", str(tmp_path / "missing.gguf")) as (client, _):
            await client.initialize()
            await client.until(lambda: client.received("window/showMessage"))
            (message,) = client.received("window/showMessage")
            assert "missing.gguf" in message["message"]
            assert "hint: " in message["message"]
            assert await client.inline(URI, client.open(URI, "x = $0"), kind=1) == []
            status = await client.request("mellum/status")
            assert (status["state"], status["engine"]["pid"]) == ("failed", None)
            await client.end()


class TestTcp:
    async def test_clients_come_and_go_and_the_last_exit_ends_the_server(
        self, tmp_path: Path, model: tuple[str, str]
    ) -> None:
        async with listening(tmp_path, "--tcp", *model) as (host, port, process):
            async with over_tcp(host, port) as lost:
                await lost.initialize()
            async with over_tcp(host, port) as first, over_tcp(host, port) as second:
                for client in (first, second):
                    await client.initialize()
                    caret = client.open(URI, "def add(a, b):\n    $0\n")
                    assert (await client.inline(URI, caret, kind=1))[0]["insertText"] == "return a + b"
                await first.end()
                assert (await second.request("mellum/status"))["state"] == "ready"
                await second.end()
                assert await asyncio.wait_for(process.wait(), 5) == 0

    async def test_an_address_in_use_is_an_error(self, tmp_path: Path, model: tuple[str, str]) -> None:
        async with listening(tmp_path, "--tcp", *model) as (host, port, _):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *SERVE,
                "--tcp",
                f"{host}:{port}",
                stderr=asyncio.subprocess.PIPE,
                env=isolated(tmp_path),
            )
            _, stderr = await asyncio.wait_for(process.communicate(), 10)
            assert process.returncode == 1
            assert b"address already in use" in stderr.lower()


class TestWebSocket:
    async def test_a_session(self, tmp_path: Path, model: tuple[str, str]) -> None:
        async with (
            listening(tmp_path, "--ws", *model) as (host, port, process),
            over_websocket(host, port, origin="http://localhost:3000") as client,
        ):
            await client.initialize()
            caret = client.open(URI, "def add(a, b):\n    $0\n")
            assert (await client.inline(URI, caret, kind=1))[0]["insertText"] == "return a + b"
            await client.end()
            assert await asyncio.wait_for(process.wait(), 5) == 0

    async def test_web_pages_from_elsewhere_are_turned_away(
        self, tmp_path: Path, model: tuple[str, str]
    ) -> None:
        from websockets.exceptions import InvalidStatus

        async with listening(tmp_path, "--ws", *model) as (host, port, _):
            for origin in ("https://evil.example", "http://localhost.evil.example", "null"):
                with pytest.raises(InvalidStatus):
                    async with over_websocket(host, port, origin=origin):
                        pass
