"""Real servers over the real engine: a tiny model made on the spot, and the embedded one if there."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lsp_client import LspClient, isolated, over_stdio
from tiny_gguf import write_tiny_gguf

from mellum_lsp.models.resolve import embedded_model_path

URI = "file:///project/a.py"
numbers = itertools.count()


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", says=["return ", "a", " + ", "b"])


@pytest.fixture
def home() -> Iterator[Path]:
    """A user's folders, with paths that are short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="home-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


async def completed(client: LspClient) -> str:
    """What is suggested in a text that is new each time: no earlier generation can answer."""
    caret = client.open(URI, f"# {next(numbers)}\ndef add(a, b):\n    $0\n")
    items = await client.inline(URI, caret, kind=1)
    return items[0]["insertText"] if items else ""


async def until_completed(client: LspClient) -> None:
    async with asyncio.timeout(20):
        while await completed(client) != "return a + b":
            await asyncio.sleep(0.05)


async def engine_of(client: LspClient) -> dict[str, Any]:
    engine = (await client.request("mellum/status"))["engine"]
    assert set(engine) == {"pid", "mode"}
    return engine


def told_pids(client: LspClient) -> list[int | None]:
    """The engine's process in every status that the client was told."""
    return [status["engine"]["pid"] for status in client.received("mellum/status")]


async def ended(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process ends within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("mode", ["shared", "own"])
async def test_a_session_and_its_engine(tmp_path: Path, tiny_model: Path, mode: str) -> None:
    async with over_stdio(tmp_path, "--model", str(tiny_model)) as (client, process):
        client.options = {"engine": {"mode": mode, "idleSeconds": 0}}
        await client.initialize(capabilities={"window": {"workDoneProgress": True}})
        assert await completed(client) == "return a + b"
        status = await client.request("mellum/status")
        assert (status["state"], status["model"], status["engine"]["mode"]) == ("ready", "tiny", mode)
        assert status["engine"]["pid"] not in (None, process.pid)
        await client.end()
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert await ended(status["engine"]["pid"])


@pytest.mark.parametrize("mode", ["shared", "own"])
async def test_the_engine_can_be_killed_and_the_next_request_is_served(
    tmp_path: Path, tiny_model: Path, mode: str
) -> None:
    async with over_stdio(tmp_path, "--model", str(tiny_model)) as (client, _):
        client.options = {"engine": {"mode": mode, "idleSeconds": 0}}
        await client.initialize()
        await completed(client)
        killed = (await engine_of(client))["pid"]
        os.kill(killed, signal.SIGKILL)
        await client.until(lambda: told_pids(client)[-1] is None)  # without anybody's asking
        await until_completed(client)
        await client.until(lambda: told_pids(client)[-1] not in (None, killed))
        await client.end()


async def test_two_servers_share_an_engine_and_survive_it(home: Path, tiny_model: Path) -> None:
    model = ("--model", str(tiny_model))
    async with over_stdio(home, *model) as (one, _), over_stdio(home, *model) as (other, _):
        for client in (one, other):
            await client.initialize()
            assert await completed(client) == "return a + b"
        engine = await engine_of(one)
        assert await engine_of(other) == engine
        assert engine["mode"] == "shared"

        (address,) = home.glob("runtime/mellum-lsp/*.sock")
        assert stat.S_IMODE(address.stat().st_mode) == 0o600
        assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700
        log = (home / "state" / "mellum-lsp" / "engine.log").read_text()
        assert log.count("\nserving ") == 1, log

        os.kill(engine["pid"], signal.SIGKILL)
        await asyncio.gather(until_completed(one), until_completed(other))
        successor = await engine_of(one)
        assert successor["pid"] != engine["pid"]
        assert await engine_of(other) == successor

        await one.end()
        assert await completed(other) == "return a + b"
        assert await engine_of(other) == successor
        await other.end()
    assert await ended(successor["pid"])
    assert list(home.glob("runtime/mellum-lsp/*")) == []


async def test_users_with_other_folders_do_not_share(tmp_path: Path, tiny_model: Path) -> None:
    """These folders' paths may be too long for sockets: the engines still do not meet."""
    homes = [tmp_path / "one", tmp_path / "other"]
    for home in homes:
        home.mkdir()
    model = ("--model", str(tiny_model))
    async with over_stdio(homes[0], *model) as (one, _), over_stdio(homes[1], *model) as (other, _):
        for client in (one, other):
            await client.initialize()
            await completed(client)
        assert (await engine_of(one))["pid"] != (await engine_of(other))["pid"]
        await one.end()
        await other.end()


async def test_an_engine_waits_a_while_for_the_next_server(home: Path, tiny_model: Path) -> None:
    async def session(idle_seconds: float) -> int:
        async with over_stdio(home, "--model", str(tiny_model)) as (client, _):
            client.options = {"engine": {"idleSeconds": idle_seconds}}
            await client.initialize()
            await completed(client)
            pid = (await engine_of(client))["pid"]
            await client.end()
        return pid

    first = await session(30)
    assert not await ended(first, 0.2)
    os.kill(first, signal.SIGTERM)  # thirty seconds are too long for a test
    assert await ended(first)
    second = await session(0.5)
    assert second != first, "what the first one left is in nobody's way"
    assert await ended(second)


async def test_memory_is_freed_beside_an_editor_that_asks_for_nothing(home: Path, tiny_model: Path) -> None:
    async with over_stdio(home, "--model", str(tiny_model)) as (client, _):
        client.options = {"engine": {"idleSeconds": 0, "unloadSeconds": 1}}
        await client.initialize()
        await completed(client)
        assert await ended((await engine_of(client))["pid"])
        status = await client.request("mellum/status")
        assert (status["state"], status["engine"]["pid"]) == ("ready", None)
        await until_completed(client)
        assert client.received("window/showMessage") == []
        await client.end()


async def test_a_command_joins_the_editors_engine_and_leaves_none_behind(
    home: Path, tiny_model: Path
) -> None:
    project = home / "project"
    project.mkdir()
    (project / "a.py").write_text("def add(a, b):\n    \n")
    command = ("complete", f"{project / 'a.py'}:2:5", "--root", str(project), "--model", str(tiny_model))
    log = home / "state" / "mellum-lsp" / "engine.log"

    async def complete() -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mellum_lsp", *command, "--json"),
            stdout=asyncio.subprocess.PIPE,
            env=isolated(home),
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        return str(json.loads(output)["text"])

    async with over_stdio(home, "--model", str(tiny_model)) as (client, _):
        await client.initialize()
        assert await completed(client) == "return a + b"
        before = await engine_of(client)
        assert await complete() == "return a + b"
        assert await engine_of(client) == before
        assert log.read_text().count("\nserving ") == 1
        await client.end()
    assert await ended(before["pid"])
    assert await complete() == "return a + b"
    assert log.read_text().count("\nserving ") == 2
    async with asyncio.timeout(10):
        while list(home.glob("runtime/mellum-lsp/*")):
            await asyncio.sleep(0.01)


@pytest.mark.skipif(not embedded_model_path().is_file(), reason="the embedded model has not been built")
async def test_the_embedded_model_serves_where_nothing_is_chosen(tmp_path: Path) -> None:
    async with over_stdio(tmp_path) as (client, _):
        await client.initialize()
        await completed(client)
        status = await client.request("mellum/status")
        assert (status["state"], status["model"]) == ("ready", "nano-135m")
        await client.end()
