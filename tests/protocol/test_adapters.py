"""Adapters of single workspaces: which one serves, and that an open editor follows what `adapt` does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fake_backend import Lab
from lsp_client import LspClient

from mellum_lsp.engine.fingerprint import fingerprint
from mellum_lsp.lsp import adapters
from mellum_lsp.lsp.adapters import adapter_for
from mellum_lsp.lsp.server import create_server
from mellum_lsp.lsp.settings import Settings
from mellum_lsp.models.adapters import AdapterRecord, activate, deactivate


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"the model")
    return path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


def tuned(workspace: Path, model: Path) -> Path:
    adapter = workspace.parent / "lora.gguf"
    adapter.write_bytes(b"the adapter")
    record = AdapterRecord(
        workspace=str(workspace),
        file="1.gguf",
        model="model",
        model_fingerprint=fingerprint(model),
        made=0.0,
    )
    return activate(adapter, record)


class TestChoice:
    def test_the_workspaces_own_serves(self, shop: Path, model: Path, tmp_path: Path) -> None:
        assert adapter_for(Settings(), [shop], model) is None
        own = tuned(shop, model)
        assert adapter_for(Settings(), [tmp_path / "other", shop], model) == own
        assert adapter_for(Settings(), [tmp_path / "other"], model) is None
        deactivate(shop)
        assert adapter_for(Settings(), [shop], model) is None

    def test_one_of_another_model_does_not(self, shop: Path, model: Path, tmp_path: Path) -> None:
        tuned(shop, model)
        other = tmp_path / "other.gguf"
        other.write_bytes(b"another model")
        assert adapter_for(Settings(), [shop], other) is None

    def test_the_settings_outweigh_it(self, shop: Path, model: Path, tmp_path: Path) -> None:
        tuned(shop, model)
        named = tmp_path / "mine.gguf"
        assert adapter_for(Settings(lora=str(named)), [shop], model) == named
        assert adapter_for(Settings(lora="none"), [shop], model) is None


async def test_an_open_editor_follows(fresh: LspClient, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "LOOK_SECONDS", 0.01)
    await fresh.initialize()
    await fresh.until_ready()
    assert "lora" not in await fresh.request("mellum/status")
    lab.adapter = Path("/data/shop.gguf")
    await fresh.until(
        lambda: any(told.get("lora") == "/data/shop.gguf" for told in fresh.received("mellum/status"))
    )
    assert len(lab.builds) == 2
    lab.adapter = None
    await fresh.until(lambda: "lora" not in fresh.received("mellum/status")[-1])


async def test_another_adapter_in_the_settings_is_another_engine(fresh: LspClient, lab: Lab) -> None:
    await fresh.initialize()
    await fresh.until_ready()
    fresh.notify("workspace/didChangeConfiguration", {"settings": {"mellum": {"lora": "/models/a.gguf"}}})
    await fresh.until(lambda: len(lab.builds) == 2)
    assert lab.builds[1][0].lora == "/models/a.gguf"


async def test_the_command_line_outweighs_the_settings(lab: Lab) -> None:
    inbox: list[bytes] = []
    client = LspClient(inbox.append)
    loop = asyncio.get_running_loop()
    server = create_server(
        lambda body: loop.call_soon(client.receive, body), build=lab.build, lora="/models/mine.gguf"
    )
    client.send_body = lambda body: loop.call_soon(server.receive, body)
    client.server = server
    client.options = {"lora": "/models/of-the-settings.gguf", "maxLines": 5}
    await client.initialize()
    await client.until_ready()
    await server.close()
    assert [(settings.lora, settings.max_lines) for settings, *_ in lab.builds] == [("/models/mine.gguf", 5)]
