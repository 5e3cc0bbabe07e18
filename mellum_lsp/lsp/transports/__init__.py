"""How messages travel: standard input and output, TCP, or WebSocket.

The event loop never waits for a client that reads slowly or not at all. Over stdio the session is the
process; a listening server outlives its clients.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mellum_lsp.lsp.transports.connection import Connect, Connection
from mellum_lsp.lsp.transports.listening import Listener
from mellum_lsp.lsp.transports.stdio import serve_stdio

__all__ = ["Connect", "Connection", "Stdio", "Tcp", "Transport", "WebSocket", "serve"]


@dataclass(frozen=True, slots=True)
class Stdio:
    """One client on standard input and output."""


@dataclass(frozen=True, slots=True)
class Tcp:
    """Clients that connect to a TCP port (0: any free one; the log on standard error says which)."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class WebSocket:
    """Clients that connect by WebSocket, one text frame a message."""

    host: str
    port: int


Transport = Stdio | Tcp | WebSocket


async def serve(transport: Transport, connect: Connect, stop: asyncio.Event) -> int:
    """Serve until the session is over or ``stop`` is set; the process's exit code."""
    if isinstance(transport, Stdio):
        return await serve_stdio(connect, stop)
    listener = Listener(connect, stop)
    if isinstance(transport, Tcp):
        return await listener.serve_tcp(transport.host, transport.port)
    return await listener.serve_websocket(transport.host, transport.port)
