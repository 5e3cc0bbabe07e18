"""A server on an editor's pipes ends with the editor, also where somebody else holds the pipes open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from lsp_client import LspClient


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mellum_lsp.lsp.editor_process.PAUSE_SECONDS", 0.01)


@pytest.fixture
async def editor() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec("sleep", "600")
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_it_ends_with_the_process_that_the_client_names(
    fresh: LspClient, editor: asyncio.subprocess.Process
) -> None:
    fresh.server.ends_with_editor = True
    await fresh.initialize(processId=editor.pid)
    finished = asyncio.ensure_future(fresh.server.finished())
    await asyncio.sleep(0.05)
    assert not finished.done()
    editor.kill()
    assert await asyncio.wait_for(finished, 5) == 1


@pytest.mark.parametrize("process_id", [None, 0, -1, 2**30, 2**80, "1", 1.5, True])
async def test_a_process_that_nobody_knows_says_nothing(fresh: LspClient, process_id: object) -> None:
    """The editor may be outside of the server's container."""
    fresh.server.ends_with_editor = True
    await fresh.initialize(processId=process_id)
    finished = asyncio.ensure_future(fresh.server.finished())
    await asyncio.sleep(0.05)
    assert not finished.done()
    finished.cancel()


async def test_over_a_network_the_process_is_one_of_another_machine(
    fresh: LspClient, editor: asyncio.subprocess.Process
) -> None:
    await fresh.initialize(processId=editor.pid)
    finished = asyncio.ensure_future(fresh.server.finished())
    editor.kill()
    await editor.wait()
    await asyncio.sleep(0.05)
    assert not finished.done()
    finished.cancel()
