"""A server's connection to its engine: frames both ways, over pipes or a socket."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from mellum_lsp.engine import messages
from mellum_lsp.engine.engine_log import EngineLog
from mellum_lsp.engine.interface import EngineError

_HINT = "hint: mellum-lsp may have been updated: restart the editor, or reinstall it"


class Link:
    """A connection to an engine that has said welcome. ``log`` is where that engine writes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: EngineLog) -> None:
        self._reader = reader
        self._writer = writer
        self._log = log
        self._pid = 0
        self.heard = 0
        """How many messages have come."""

    @property
    def pid(self) -> int:
        """The engine's process, 0 before it has said welcome."""
        return self._pid

    async def greet(self, hello: messages.Hello) -> bool:
        """Introduce ourselves; False where the engine ends the connection instead of saying welcome.

        Raises `EngineError` for what is no engine, or one of another version.
        """
        self.send(hello)
        match await self.receive():
            case messages.Welcome(protocol, pid) if protocol == messages.PROTOCOL:
                self._pid = pid
                return True
            case None:
                return False
            case other:
                raise EngineError(f"the engine began with {other!r}\n{_HINT}")

    def send(self, message: messages.ToEngine) -> None:
        """Send without waiting. An engine that has ended is noticed by `receive`.

        Raises `RequestInvalid` where the message is too large.
        """
        data = messages.frame(message)
        if not self._writer.is_closing():
            self._writer.write(data)

    async def receive(self) -> messages.FromEngine | None:
        """The next message, None once the engine has ended the connection. Raises `EngineError` for what is
        no message."""
        try:
            prefix = await self._reader.readexactly(messages.LENGTH.size)
            body = await self._reader.readexactly(messages.body_length(prefix))
            self.heard += 1
            return messages.decode_from_engine(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except msgspec.MsgspecError as error:
            raise EngineError(f"the engine cannot be understood: {error}\n{_HINT}") from error

    async def end(self) -> None:
        """Leave the engine."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def explain_end(self) -> str:
        """What became of an engine whose stream has ended, in a sentence, with the place of its log."""
        await self.end()
        return self._log.explain("the engine's process ended unexpectedly")
