"""The real server over the real engine: a tiny model made on the spot, and the embedded one if there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from lsp_client import LspClient, over_stdio

from mellum_lsp.models.resolve import embedded_model_path

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

URI = "file:///project/a.py"


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf", reason="the package gguf writes the tiny model")
    from tiny_gguf import write_tiny_gguf

    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", says=["return ", "a", " + ", "b"])


async def completed(client: LspClient) -> str:
    items = await client.inline(URI, client.open(URI, "def add(a, b):\n    $0\n"), kind=1)
    return items[0]["insertText"] if items else ""


async def test_a_completion_and_its_explanation(tmp_path: Path, tiny_model: Path) -> None:
    async with over_stdio(tmp_path, "--model", str(tiny_model)) as (client, process):
        await client.initialize(capabilities={"window": {"workDoneProgress": True}})
        assert await completed(client) == "return a + b"
        status = await client.request("mellum/status")
        assert (status["state"], status["model"], status["engine"]["mode"]) == ("ready", "tiny", "private")
        assert status["engine"]["pid"] not in (None, process.pid)
        await client.end()
        assert await asyncio.wait_for(process.wait(), 10) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(status["engine"]["pid"], 0)


async def test_the_engine_can_be_killed_and_the_next_request_is_served(
    tmp_path: Path, tiny_model: Path
) -> None:
    async with over_stdio(tmp_path, "--model", str(tiny_model)) as (client, _):
        await client.initialize()
        await completed(client)
        os.kill((await client.request("mellum/status"))["engine"]["pid"], signal.SIGKILL)
        async with asyncio.timeout(20):
            while await completed(client) != "return a + b":
                await asyncio.sleep(0.05)
        await client.end()


@pytest.mark.skipif(not embedded_model_path().is_file(), reason="the embedded model has not been built")
async def test_the_embedded_model_serves_where_nothing_is_chosen(tmp_path: Path) -> None:
    async with over_stdio(tmp_path) as (client, _):
        await client.initialize()
        await completed(client)
        status = await client.request("mellum/status")
        assert (status["state"], status["model"]) == ("ready", "nano-135m")
        await client.end()
