"""A server in this process over a fake backend, and a client that speaks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_backend import Lab
from lsp_client import LspClient

from mellum_lsp.lsp.server import create_server


@pytest.fixture(autouse=True)
def _tell_changes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mellum_lsp.lsp.status.SETTLE_SECONDS", 0)
    monkeypatch.setattr("mellum_lsp.lsp.warming.REST_SECONDS", 0)


@pytest.fixture
async def lab() -> Lab:
    return Lab()


@pytest.fixture
async def fresh(lab: Lab) -> AsyncIterator[LspClient]:
    """A client that has not said ``initialize`` yet. Afterwards every request must have one answer."""
    inbox: list[bytes] = []
    client = LspClient(inbox.append)
    loop = asyncio.get_running_loop()
    server = create_server(
        lambda body: loop.call_soon(client.receive, body),
        build=lab.build,
        record=lab.events.append,
        prefer=lab.preferences.append,
    )
    client.send_body = lambda body: loop.call_soon(server.receive, body)
    client.server = server
    yield client
    await asyncio.sleep(0)
    await server.close()
    await asyncio.sleep(0)
    client.assert_all_answered_once()


@pytest.fixture
async def client(fresh: LspClient) -> LspClient:
    """A client in a running session without workspace folders."""
    await fresh.initialize()
    await fresh.until_ready()
    return fresh
