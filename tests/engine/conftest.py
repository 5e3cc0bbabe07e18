"""Models and engines that the engine's tests decode with."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from asking import AT_ONCE, ONE_THREAD, MakeEngine, OpenEngine, make_decoder
from processes import engines_below, wait_until
from tiny_gguf import write_tiny_gguf

from mellum_lsp.engine import shared
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings, Lifetime


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Engines keep what they measure away from the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that babbles, always the same for the same prompt, and never ends by itself."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def long_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with so much context that evaluating a prompt takes seconds."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "long.gguf", context_length=32768)


@pytest.fixture
def decoder(tiny_model: Path) -> Decoder:
    """A decoder in this very process: for what is decoded, not for who decodes it."""
    return make_decoder(tiny_model)


@pytest.fixture
async def make_engine() -> AsyncIterator[MakeEngine]:
    """Makes engines that are closed when the test ends."""
    engines: list[LlamaEngine] = []

    def make(model: Path, settings: EngineSettings = ONE_THREAD, log_file: Path | None = None) -> LlamaEngine:
        engines.append(LlamaEngine(model, settings, log_file))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.close()


@pytest.fixture
def engine(make_engine: MakeEngine, tiny_model: Path) -> LlamaEngine:
    return make_engine(tiny_model)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folders; engines that listen in them must have ended in the end."""
    folder = Path(tempfile.mkdtemp(prefix="home-", dir="/tmp"))  # short enough for a socket
    for name in ("RUNTIME_DIR", "CACHE_HOME", "STATE_HOME", "DATA_HOME"):
        monkeypatch.setenv(f"XDG_{name}", str(folder / name.lower()))
    yield folder
    left = engines_below(folder)
    all_ended = wait_until(lambda: not any(engine.is_running() for engine in left))
    shutil.rmtree(folder)
    assert all_ended, left


@pytest.fixture
async def open_engine(home: Path, tiny_model: Path) -> AsyncIterator[OpenEngine]:
    """Makes what a server has of a shared engine; all of them are closed when the test ends."""
    engines: list[LlamaEngine] = []

    def make(
        model: Path = tiny_model, settings: EngineSettings = ONE_THREAD, lifetime: Lifetime = AT_ONCE
    ) -> LlamaEngine:
        log_file = home / "engine.log"
        engines.append(LlamaEngine(model, settings, log_file, launch=shared.join_or_start, lifetime=lifetime))
        return engines[-1]

    yield make
    await asyncio.gather(*(engine.close() for engine in engines))
