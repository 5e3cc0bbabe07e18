"""The servers that are connected to this engine: who they are, what they were told, and when all is over."""

from __future__ import annotations

import itertools
import os
import threading
import time

from mellum_lsp.engine.connection import Connection
from mellum_lsp.engine.idleness import Idleness
from mellum_lsp.engine.messages import PROTOCOL, Ending, LoadFailed, Loading, Ready, Welcome
from mellum_lsp.engine.settings import Lifetime

News = Loading | Ready | LoadFailed
"""What is told of the model."""
_GOODBYE_SECONDS = 0.5
_BAD_NEWS_SECONDS = 5.0


class Servers:
    """All methods may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._connections: dict[int, Connection] = {}
        self._numbers = itertools.count(1)
        self._news: News = Loading(0.0)
        self._idleness = Idleness(time.monotonic())
        self._has_had_some = False
        self._over = False

    def join(self, connection: Connection, lifetime: Lifetime) -> int | None:
        """Bid a server welcome and tell it the latest news; its number, None where the engine is ending."""
        with self._changed:
            if self._over:
                return None
            number = next(self._numbers)
            self._connections[number] = connection
            self._has_had_some = True
            self._idleness.joined(number, lifetime, time.monotonic())
            connection.send(Welcome(PROTOCOL, os.getpid()))
            connection.send(self._news)
            return number

    def leave(self, number: int) -> None:
        with self._changed:
            self._connections.pop(number, None)
            self._idleness.left(number, time.monotonic())
            self._changed.notify_all()

    def tell(self, news: News) -> None:
        """Tell all servers, and those to come."""
        with self._changed:
            self._news = news
            for connection in self._connections.values():
                connection.send(news)

    def worked(self) -> None:
        """Something was asked, or an answer has ended."""
        with self._changed:
            self._idleness.worked(time.monotonic())

    def seconds_left(self) -> float:
        """How long to wait for work before it is time to end; 0 if it is."""
        with self._changed:
            return self._idleness.seconds_left(time.monotonic())

    def end_if_idle(self) -> bool:
        """Welcome no more servers; False where somebody wants something after all."""
        with self._changed:
            self._over = self._idleness.seconds_left(time.monotonic()) == 0
            return self._over

    def end_with_bad_news(self) -> None:
        """Welcome no more servers once those that came have heard the news and left, or none has come."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_had_some and not self._connections, _BAD_NEWS_SECONDS)
            self._over = True

    def say_goodbye(self) -> None:
        """In the end: see that everything is told, and let the servers go."""
        with self._changed:
            connections = list(self._connections.values())
        deadline = time.monotonic() + _GOODBYE_SECONDS
        for connection in connections:
            connection.send(Ending())
        for connection in connections:
            connection.finish(max(0.0, deadline - time.monotonic()))
