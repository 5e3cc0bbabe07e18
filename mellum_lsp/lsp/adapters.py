"""Which LoRA adapter a session's model is served with: what the settings name, or the workspace's own.

`mellum-lsp adapt` may finish, or be undone, while an editor is open: a session looks again from time to time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mellum_lsp.engine.fingerprint import fingerprint
from mellum_lsp.lsp.settings import Settings
from mellum_lsp.models.adapters import adapter_around

if TYPE_CHECKING:
    from mellum_lsp.lsp.session import Session

LOOK_SECONDS = 20.0
_NONE = "none"


def adapter_for(settings: Settings, folders: Sequence[Path], model: Path) -> Path | None:
    """The adapter for the model file; of several folders the first that has one for it decides."""
    if settings.lora:
        return None if settings.lora.lower() == _NONE else Path(settings.lora).expanduser().absolute()
    for folder in folders:
        found = adapter_around(folder)
        if found and model.is_file() and found[0].model_fingerprint == fingerprint(model):
            return found[1]
    return None


async def follow_adapters(session: Session) -> None:
    """Serve with another adapter as soon as another one is the workspace's. Never returns."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        backend = await session.serving.backend()
        if await asyncio.to_thread(backend.find_adapter) != backend.adapter:
            await session.configuration.serve_anew()
