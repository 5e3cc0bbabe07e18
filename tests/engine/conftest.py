"""Models and engines that the engine's tests decode with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from asking import ONE_THREAD, make_decoder
from tiny_gguf import write_tiny_gguf

from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings


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
async def make_engine() -> AsyncIterator[Callable[..., LlamaEngine]]:
    """Makes engines that are closed when the test ends."""
    engines: list[LlamaEngine] = []

    def make(model: Path, settings: EngineSettings = ONE_THREAD, log_file: Path | None = None) -> LlamaEngine:
        engines.append(LlamaEngine(model, settings, log_file))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.close()


@pytest.fixture
def engine(make_engine: Callable[..., LlamaEngine], tiny_model: Path) -> LlamaEngine:
    return make_engine(tiny_model)
