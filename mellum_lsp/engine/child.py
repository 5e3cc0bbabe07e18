"""The engine's process: ``python -P -m mellum_lsp.engine.child --model FILE --settings JSON``.

Requests come in on stdin, answers go out on stdout, everything that anybody prints goes to stderr (a log
file). When stdin ends, the server has gone, and so does this process, whatever it is doing.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import signal
import threading
from pathlib import Path
from typing import BinaryIO


def main() -> None:
    source, sink = take_over_stdio()
    with contextlib.suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the server, which then closes us
    faulthandler.enable()
    parser = argparse.ArgumentParser(description="The engine process of mellum-lsp; started by the server.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--settings", default="{}")
    arguments = parser.parse_args()

    # Imported only now: nothing may print before the pipes are safe, native libraries included.
    from mellum_lsp.engine.service import Connection, Service, decode_settings

    service = Service(Connection(source, sink))
    threading.Thread(target=service.read, name="reader", daemon=True).start()
    service.load_and_serve(arguments.model, decode_settings(arguments.settings))


def take_over_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for ourselves: file descriptor 1 becomes stderr, 0 becomes empty."""
    source, sink = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb", buffering=0)


if __name__ == "__main__":
    main()
