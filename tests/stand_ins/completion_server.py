"""A double of an OpenAI-compatible completion server that can misbehave in every way that real ones do."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback import serving_http


@dataclass
class CompletionServer:
    """What it says and how it fails; ``requests`` are the bodies that it was sent."""

    pieces: list[tuple[str, float]] = field(default_factory=lambda: [("return", 0.9), (" a", 0.8)])
    model: dict[str, Any] = field(default_factory=lambda: {"id": "mellum-4b-base", "max_model_len": 4096})
    key: str = ""
    statuses: list[int] = field(default_factory=list)
    """Each completion takes one and answers with it instead."""
    break_after: int | None = None
    """Closes the connection behind so many pieces."""
    pause: float = 0.0
    """Seconds before each piece."""
    instead: str = ""
    """Sent as an event in place of the pieces."""
    newer_probabilities: bool = False
    without_probabilities: bool = False
    address: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    abandoned: threading.Event = field(default_factory=threading.Event)
    """Set when a client closed its connection before the end."""


@contextmanager
def serving(server: CompletionServer) -> Iterator[CompletionServer]:
    """Run ``server`` on a port of this machine."""
    with serving_http(_Handler, server_state=server) as server.address:
        yield server


class _Handler(BaseHTTPRequestHandler):
    server_state: CompletionServer

    def do_GET(self) -> None:
        state = self.server_state
        if state.key and self.headers.get("Authorization") != f"Bearer {state.key}":
            self._answer(401, {"error": {"message": "Unauthorized"}})
        elif self.path == "/v1/models":
            self._answer(200, {"object": "list", "data": [state.model]})
        else:
            self._answer(404, {"error": "nothing here"})

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state.requests.append(body)
        if state.statuses and (status := state.statuses.pop(0)) != 200:
            self._answer(status, {"error": {"message": f"status {status}"}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            self._stream(body)
        except OSError:
            state.abandoned.set()

    def _stream(self, body: dict[str, Any]) -> None:
        state = self.server_state
        if state.instead:
            self._send(state.instead)
            return
        pieces = state.pieces[: body["max_tokens"]]
        for number, (text, probability) in enumerate(pieces):
            if number == state.break_after:
                return
            self._wait()
            self._send(json.dumps({"choices": [self._choice(text, probability)]}))
        finish = "length" if len(pieces) < len(state.pieces) else "stop"
        self._send(json.dumps({"choices": [{"index": 0, "text": "", "finish_reason": finish}]}))
        self._send("[DONE]")

    def _choice(self, text: str, probability: float) -> dict[str, Any]:
        logarithm = math.log(probability)
        if self.server_state.without_probabilities:
            said = None
        elif self.server_state.newer_probabilities:
            said = {"content": [{"token": text, "logprob": logarithm}]}
        else:
            said = {"tokens": [text], "token_logprobs": [logarithm], "text_offset": [0]}
        return {"index": 0, "text": text, "logprobs": said, "finish_reason": None}

    def _wait(self) -> None:
        """Pause, and notice a client that has gone meanwhile."""
        end = time.monotonic() + self.server_state.pause
        while time.monotonic() < end:
            self.wfile.write(b": still here\n\n")
            self.wfile.flush()
            time.sleep(0.01)

    def _send(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
