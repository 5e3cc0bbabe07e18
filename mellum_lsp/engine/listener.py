"""The door of a shared engine: the sole right to a place, and a socket at which servers connect."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mellum_lsp.engine.connection import Connection
from mellum_lsp.engine.endpoint import Endpoint
from mellum_lsp.engine.locks import FileLock
from mellum_lsp.engine.rendezvous import Place

MOST_CONNECTIONS = 200


class Listener:
    """Listens at a place that is locked for it."""

    def __init__(self, lock: FileLock, endpoint: Endpoint) -> None:
        self._lock = lock
        self._endpoint = endpoint
        self._free = threading.Semaphore(MOST_CONNECTIONS)

    @classmethod
    def open(cls, address: Path) -> Listener | None:
        """None where another engine has the place. Raises `OSError` where nobody can listen there."""
        lock = FileLock.acquire(Place(address).lock)
        return cls(lock, Endpoint(address)) if lock else None

    @property
    def secret(self) -> str:
        """What servers must say to be let in."""
        return self._endpoint.secret

    def accept(self, attend: Callable[[Connection], None]) -> None:
        """Let servers in until `close`, each attended to in a thread of its own."""
        while True:
            try:
                accepted, _ = self._endpoint.socket.accept()
            except OSError:
                if self._endpoint.socket.fileno() == -1:
                    return
                time.sleep(0.1)  # out of file descriptors, for instance
                continue
            if not self._free.acquire(blocking=False):
                accepted.close()
                continue
            threading.Thread(target=self._attend, args=[accepted, attend], daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more, and give the place back."""
        self._endpoint.close()
        self._lock.release()

    def _attend(self, accepted: socket.socket, attend: Callable[[Connection], None]) -> None:
        with accepted, accepted.makefile("rb") as source, accepted.makefile("wb", buffering=0) as sink:
            attend(Connection(source, sink, close=lambda: accepted.shutdown(socket.SHUT_RDWR)))
        self._free.release()
