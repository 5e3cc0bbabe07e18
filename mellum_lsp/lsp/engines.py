"""Which engine decodes: one of this machine's, shared or own, a script, or a server that the user named."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mellum_lsp.engine.interface import (
    Engine,
    EngineError,
    GenerateRequest,
    GenerationStats,
    ModelError,
    ModelInfo,
    Token,
)
from mellum_lsp.lsp.adapters import adapter_for
from mellum_lsp.lsp.logs import state_directory
from mellum_lsp.lsp.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChosenEngine:
    """``model`` names it before it is loaded, "" where a server knows; ``mode`` tells the present one.

    ``adapter`` is what the local model is served with, ``find_adapter`` what it would be now.
    """

    engine: Engine
    model: str
    mode: Callable[[], str]
    adapter: Path | None = None
    find_adapter: Callable[[], Path | None] = lambda: None


def choose_engine(
    settings: Settings,
    choice: str | None,
    folders: Sequence[Path],
    on_notice: Callable[[str], None],
    on_process: Callable[[], None],
) -> ChosenEngine:
    """The engine for the model ``choice``, or the remote one of the settings with that behind it.

    ``folders`` are the workspace's, which may have an adapter of their own; ``on_process`` hears when the
    engine's process is another one, or none any more. Where there is no model to serve,
    the engine is one that fails with the reason.
    """
    local = _local_engine(settings, choice, folders, on_process)
    mode = local.mode()
    if not settings.engine.url or mode == "scripted":
        return local
    from mellum_lsp.engine.fallback import FallbackEngine
    from mellum_lsp.engine.remote.engine import RemoteEngine

    remote = settings.remote()
    assert remote
    try:
        if not remote.is_this_machine:
            on_notice(f"Completions are decoded at {remote.base}: the code around the caret is sent there.")
    except ValueError as error:
        failed = Unavailable(EngineError(f"engine.url: {error}"))
        return ChosenEngine(failed, local.model, lambda: "none")
    engine = FallbackEngine(RemoteEngine(remote), local.engine, on_notice)
    return replace(local, engine=engine, model="", mode=lambda: "remote" if engine.is_remote else mode)


def _local_engine(
    settings: Settings, choice: str | None, folders: Sequence[Path], on_process: Callable[[], None]
) -> ChosenEngine:
    """The engine of this machine for a chosen model."""
    from mellum_lsp.engine.llama import LlamaEngine
    from mellum_lsp.engine.process import start_own
    from mellum_lsp.engine.script_file import PREFIX, engine_from_file
    from mellum_lsp.engine.shared import join_or_start
    from mellum_lsp.models.resolve import chosen_model, resolve

    try:
        if (script := chosen_model(choice)).startswith(PREFIX):
            engine = engine_from_file(Path(script.removeprefix(PREFIX)))
            return ChosenEngine(engine, "scripted", lambda: "scripted")
        chosen = resolve(choice)
    except ModelError as error:
        return ChosenEngine(Unavailable(error), choice or "", lambda: "none")
    mode = "shared" if settings.engine.mode == "shared" and _can_share() else "own"
    adapter = adapter_for(settings, folders, chosen.path)
    local = LlamaEngine(
        chosen.path,
        settings.engine_settings(str(adapter) if adapter else None),
        state_directory() / "engine.log",
        chosen.name,
        launch=join_or_start if mode == "shared" else start_own,
        lifetime=settings.engine_lifetime(),
        on_process=on_process,
    )
    return ChosenEngine(
        local, chosen.name, lambda: mode, adapter, lambda: adapter_for(settings, folders, chosen.path)
    )


def _can_share() -> bool:
    from mellum_lsp.engine.rendezvous import private_folder

    try:
        private_folder()
    except OSError as error:
        log.warning("engines cannot be shared, there is no private folder to meet in: %s", error)
        return False
    return True


class Unavailable:
    """An engine that cannot be had, for a reason that every request is told."""

    info: ModelInfo | None = None
    pid: int | None = None

    def __init__(self, error: EngineError) -> None:
        self._error = error

    async def start(self, on_progress: Callable[[float], None] | None = None) -> ModelInfo:
        raise self._error

    def generate(self, request: GenerateRequest) -> _FailedGeneration:
        return _FailedGeneration(self._error)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        raise self._error

    async def close(self) -> None:
        pass


class _FailedGeneration:
    def __init__(self, error: EngineError) -> None:
        self.stats = GenerationStats()
        self._error = error

    async def __aiter__(self) -> AsyncIterator[Token]:
        if self._error:
            raise self._error
        yield Token(0, b"", 0.0)

    def abort(self) -> None:
        pass
