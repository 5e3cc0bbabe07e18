"""Neovim's own protocol, MessagePack-RPC over a socket: one call at a time, each in about a millisecond."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path
from typing import Any

import msgspec

_REQUEST, _RESPONSE = 0, 1
_PATIENCE_SECONDS = 60


class NeovimRefusedError(AssertionError):
    """Neovim answered with an error."""


class NeovimGoneError(AssertionError):
    """Neovim closed the connection."""


class NeovimRpc:
    """A connection to the Neovim that listens at ``address``."""

    def __init__(self, address: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE_SECONDS)
        self._socket.connect(str(address))
        self._ids = itertools.count(1)
        self._received = b""

    def call(self, method: str, *arguments: Any) -> Any:
        """The result of an API function. Raises `NeovimRefusedError` and `NeovimGoneError`."""
        request = next(self._ids)
        try:
            self._socket.sendall(msgspec.msgpack.encode([_REQUEST, request, method, arguments]))
            while (reply := self._read())[:2] != [_RESPONSE, request]:
                pass  # a notification
        except OSError as error:
            raise NeovimGoneError(f"{method}: {error}") from error
        if reply[2] is not None:
            raise NeovimRefusedError(f"{method}{arguments}: {reply[2][-1]}")
        return reply[3]

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> list[Any]:
        while True:
            if self._received:
                try:
                    message: list[Any] = msgspec.msgpack.decode(self._received)
                except msgspec.DecodeError:
                    pass  # not all of it is here
                else:
                    self._received = b""
                    return message
            more = self._socket.recv(1 << 20)
            if not more:
                raise NeovimGoneError("Neovim closed the connection")
            self._received += more
