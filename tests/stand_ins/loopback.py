"""HTTP servers of the tests, at a free port of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving_http(handler: type[BaseHTTPRequestHandler], **state: object) -> Iterator[str]:
    """Serve in threads that write no log; yields the address. Every handler has ``state`` as attributes.

    Connections stay open, as those of real servers do.
    """
    silent = {"protocol_version": "HTTP/1.1", "log_message": lambda *arguments: None}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), silent | state))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
