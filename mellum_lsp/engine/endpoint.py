"""How servers reach the engine that they share: a Unix socket with mode 0600.

Python on Windows has no Unix sockets: there it is a port of this machine, and the address is a file with its
number and a secret that a server must know. That way has been tested, but never on Windows itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
from pathlib import Path

UNIX, PORT = ".sock", ".port"
SUFFIX = UNIX if hasattr(socket, "AF_UNIX") else PORT
"""Of an address on this system; the suffix of an address says which of the two it is."""

_BACKLOG = 64


class Endpoint:
    """A socket that listens at an address. ``secret`` is what servers must say, empty on a Unix socket."""

    def __init__(self, address: Path) -> None:
        """Listen. What a killed engine has left there is removed: the caller holds the lock of the place.

        Raises `OSError`.
        """
        self._address = address
        address.unlink(missing_ok=True)
        if address.suffix == UNIX:
            self.secret = ""
            self.socket = _listen_at(address)
        else:
            self.secret = secrets.token_hex(16)
            self.socket = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
            _write_privately(address, {"port": self.socket.getsockname()[1], "secret": self.secret})
        self._identity = _identity(address)

    def close(self) -> None:
        """Be found no more. A place that is another's by now, its folder having been deleted, is left
        alone."""
        if _identity(self._address) == self._identity:
            self._address.unlink(missing_ok=True)
        self.socket.close()


async def connect(address: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
    """Reach who listens there; both ways, and the secret to say. Raises `OSError` where nobody does."""
    if address.suffix == UNIX:
        return *await asyncio.open_unix_connection(address), ""
    try:
        found = json.loads(address.read_text("utf-8"))
        port, secret = int(found["port"]), str(found["secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{address} names no port") from error
    return *await asyncio.open_connection("127.0.0.1", port), secret


def _listen_at(address: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # from its first moment, nobody else may connect
    try:
        listening.bind(str(address))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def _write_privately(path: Path, content: dict[str, object]) -> None:
    """In one step: nobody reads half of it."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    unfinished.replace(path)


def _identity(address: Path) -> object:
    """What tells one endpoint at an address from another, None where there is none.

    A socket's inode is not used again while somebody listens at it; a file's may be.
    """
    with contextlib.suppress(OSError):
        if address.suffix == UNIX:
            found = address.lstat()
            return found.st_dev, found.st_ino
        return address.read_bytes()
    return None
