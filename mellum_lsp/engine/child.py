"""The engine's process: ``python -P -m mellum_lsp.engine.child --model FILE [--address FILE] …``.

Without an address it serves the server that started it: requests come in on stdin, answers go out on stdout,
and when stdin ends, the server has gone, and so does this process, whatever it is doing. With an address it
serves all servers that connect there, and ends when nobody has wanted anything for long enough. Everything
that anybody prints goes to stderr (a log file).
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mellum_lsp.engine.engine_log import LoggedError

if TYPE_CHECKING:
    from mellum_lsp.engine.service import Service

_SECONDS_TO_WRITE = 5.0
LISTENING = "listening"
TAKEN = "taken"
"""What an engine with an address says on stdout, in a line: another one may have the place already."""


def main() -> None:
    with contextlib.suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the server, which then closes us
    parser = argparse.ArgumentParser(description="The engine process of mellum-lsp; started by the server.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--settings", default="{}")
    parser.add_argument("--address", type=Path)
    parser.add_argument("--log", type=Path)
    arguments = parser.parse_args()
    sys.stderr = LoggedError()
    faulthandler.enable()
    if arguments.address:
        _serve_all(arguments.address, arguments)
    else:
        _serve_one(*take_over_stdio(), arguments)
    os._exit(0)  # nothing is left to be done, and native code may take its time to clean up


def _serve_one(source: BinaryIO, sink: BinaryIO, arguments: argparse.Namespace) -> None:
    # Imported only now: nothing may print before the pipes are safe, native libraries included.
    from mellum_lsp.engine.connection import Connection
    from mellum_lsp.engine.service import Service

    service = Service()
    connection = Connection(source, sink, close=lambda: os._exit(0))

    def attend() -> None:
        service.attend(connection)
        os._exit(0)  # the main thread may be deep in native code

    threading.Thread(target=attend, name="reader", daemon=True).start()
    _work(service, arguments)


def _serve_all(address: Path, arguments: argparse.Namespace) -> None:
    from mellum_lsp.engine.listener import Listener

    listener = Listener.open(address)
    _say(LISTENING if listener else TAKEN)
    if listener is None:
        return
    from mellum_lsp.engine.service import Service

    service = Service(listener.secret)
    threading.Thread(target=listener.accept, args=[service.attend], name="listener", daemon=True).start()
    _work(service, arguments, before_end=listener.close)


def _work(
    service: Service, arguments: argparse.Namespace, before_end: Callable[[], None] = lambda: None
) -> None:
    import msgspec

    from mellum_lsp.engine.engine_log import EngineLog
    from mellum_lsp.engine.settings import EngineSettings

    log = EngineLog(arguments.log)
    settings = msgspec.json.decode(arguments.settings, type=EngineSettings)
    decoder = service.load(arguments.model, settings, cache_folder())
    if decoder:
        service.serve(decoder, after_job=lambda: log.rotate(2, 1))
    before_end()
    service.say_goodbye()
    if decoder:
        decoder.slots.write_all(_SECONDS_TO_WRITE)  # nobody waits for it: the next engine may begin already


def cache_folder() -> Path:
    """What the next engine need not find out again: measurements, and what was evaluated."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("mellum-lsp", appauthor=False)) / "engine"


def take_over_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for ourselves: file descriptor 1 becomes stderr, 0 becomes empty."""
    source, sink = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb", buffering=0)


def _say(word: str) -> None:
    """Tell our starter, who reads no further: what is printed later goes to stderr."""
    with contextlib.suppress(OSError):
        print(word, flush=True)
    os.dup2(2, 1)


if __name__ == "__main__":
    main()
