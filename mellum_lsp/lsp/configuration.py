"""Where settings come from and when: `initializationOptions`, `workspace/configuration`, and their changes.

A client that can be asked is asked at the start and after every change; what it answers is laid over the
initialization options. The others send what has changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from mellum_lsp.lsp.settings import Settings
from mellum_lsp.lsp.settings_reading import overlay, read_settings

if TYPE_CHECKING:
    from mellum_lsp.lsp.session import Session

log = logging.getLogger(__name__)

SECTION = "mellum"

PATIENCE_SECONDS = 3.0
"""How long the model's load waits for ``initialized`` and for the client's answer."""


class Configuration:
    """The settings of one session and their sources; those of ``command_line`` outweigh all others."""

    def __init__(self, session: Session, command_line: Mapping[str, Any]) -> None:
        self.settings: Settings | None = None
        self._session = session
        self._command_line = command_line
        self._options: Any = None
        self._initialized = asyncio.Event()
        self._applying = asyncio.Lock()
        self._told: set[str] = set()

    async def begin(self, options: Any) -> None:
        """The first settings; ``options`` are the initialization options."""
        self._options = _unwrapped(options)
        if self._session.client.has_configuration:
            # Only after `initialized` may the client be asked anything.
            await _wait(self._initialized.wait())
        await self.refresh()

    def initialized(self) -> None:
        """The client has said ``initialized``: from now on it may be asked."""
        self._initialized.set()
        self._session.background.spawn(self._register(), "registering for changes")

    def changed(self, pushed: Any) -> None:
        """The client says that settings changed, and perhaps which."""
        self._session.background.spawn(self.refresh(_unwrapped(pushed)), "changing the settings")

    async def refresh(self, pushed: Any = None) -> None:
        """Find out the settings and serve with them."""
        client = self._session.client
        answer = await self._ask() if client.has_configuration and self._initialized.is_set() else pushed
        settings, problems = read_settings(overlay(overlay(self._options, answer), self._command_line))
        for problem in problems:
            if problem not in self._told:
                self._told.add(problem)
                self._session.tell(types.MessageType.Warning, f"settings: {problem}")
        async with self._applying:
            before, self.settings = self.settings, settings
            if settings != before:
                await self._session.serving.apply(settings, before)

    async def serve_anew(self) -> None:
        """Serve with the same settings, though something else has changed that decides what serves."""
        async with self._applying:
            if self.settings is not None:
                await self._session.serving.apply(self.settings, None)

    async def _ask(self) -> Any:
        item = types.ConfigurationItem(section=SECTION)
        answer = await _wait(
            self._session.server.workspace_configuration_async(types.ConfigurationParams(items=[item]))
        )
        return answer[0] if isinstance(answer, list) and answer else None

    async def _register(self) -> None:
        """Ask to be told of changed settings and files, where the client wants to be asked."""
        client = self._session.client
        registrations = []
        if client.registers_configuration:
            registrations.append(
                _registration(types.WORKSPACE_DID_CHANGE_CONFIGURATION, {"section": SECTION})
            )
        if client.registers_watched_files:
            watchers = {"watchers": [{"globPattern": "**/*"}]}
            registrations.append(_registration(types.WORKSPACE_DID_CHANGE_WATCHED_FILES, watchers))
        if registrations:
            await _wait(
                self._session.server.client_register_capability_async(
                    types.RegistrationParams(registrations=registrations)
                )
            )


def _registration(method: str, options: Any) -> types.Registration:
    return types.Registration(id=f"mellum:{method}", method=method, register_options=options)


def _unwrapped(value: Any) -> Any:
    """The settings object, also where a client wraps it in its section."""
    if isinstance(value, Mapping) and isinstance(value.get(SECTION), Mapping):
        return value[SECTION]
    return value


async def _wait(reply: Any) -> Any:
    """The client's reply; None where it refuses or keeps us waiting."""
    try:
        return await asyncio.wait_for(reply, PATIENCE_SECONDS)
    except TimeoutError:
        log.warning("the client did not answer within %.0f s", PATIENCE_SECONDS)
    except Exception as error:
        log.info("the client refused: %s", error)
    return None
