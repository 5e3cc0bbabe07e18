"""The rules of JSON-RPC and of a session's life, kept whatever a client sends.

pygls speaks *to* the client: notifications and typed requests. What comes *from* the client is taken in
here instead, because pygls leaves requests without a reply (parameters that it cannot read, requests after
``shutdown``), runs handlers a turn of the loop after their message, when a later change may already have
moved the text under them, and blocks the loop while it writes. Here

* every request gets exactly one reply (`requests`), also one that makes no sense;
* a handler runs at once, in the order of the messages, and reads all state it needs; only work that takes
  time goes into the `Later` that it returns;
* a request that cannot be answered any more gets its method's empty answer, never null, and an error only if
  the client itself cancelled it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lsprotocol import types
from pygls.protocol import LanguageServerProtocol

from mellum_lsp.lsp.logs import failure
from mellum_lsp.lsp.reading import UnreadableError, read
from mellum_lsp.lsp.requests import Error, Later, Request, RequestId, Requests, current_request

log = logging.getLogger(__name__)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_INITIALIZED = -32002
REQUEST_CANCELLED = -32800

CLIENT_CANCELLED = Error(REQUEST_CANCELLED, "cancelled by the client")


class Life(Enum):
    """Where a session stands."""

    NEW = "waits for initialize"
    RUNNING = "initialized"
    SHUT_DOWN = "was shut down"
    OVER = "has ended"


@dataclass(frozen=True, slots=True)
class Method:
    """How one method is served.

    ``handle`` takes the parameters, read as ``params`` (None: as the JSON they are), and returns the result
    or a `Later`. ``empty`` makes the answer that says "nothing"; None where an error is the only honest one.
    ``unreadable`` hears of parameters that could not be read.
    """

    handle: Callable[[Any], Any]
    params: type | None = None
    empty: Callable[[], Any] | None = None
    unreadable: Callable[[Any], None] | None = None


class Protocol(LanguageServerProtocol):
    """One client's session on the wire. ``send`` takes the body of a message and must not block."""

    def __init__(self, server: Any, converter: Any) -> None:
        super().__init__(server, converter)
        self.life = Life.NEW
        self.methods: dict[str, Method] = {}
        self.send: Callable[[bytes], None] = lambda body: None
        self.on_exit: Callable[[int], None] = lambda code: None
        self._requests = Requests()

    def _register_builtin_features(self) -> None:
        """None of pygls' own: every method is registered by `server`."""

    def receive(self, body: bytes | str) -> None:
        """Take in one message as it came over the wire. Never raises."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            log.warning("a message of %d bytes is no JSON", len(body))
            return self._answer(None, Error(PARSE_ERROR, "the message is no JSON"))
        try:
            self.handle_message(message)
        except Exception as error:
            log.error("%s", failure("a message could not be handled", error))

    def handle_message(self, message: Any) -> None:
        """Take in one message, already parsed."""
        if not isinstance(message, dict):
            return self._answer(None, Error(INVALID_REQUEST, "a message must be an object"))
        method = message.get("method")
        if isinstance(method, str) and "id" not in message:
            return self._notification(method, message.get("params"))
        request_id = message.get("id")
        if method is None and ("result" in message or "error" in message):
            return self._response(request_id, message)
        if isinstance(request_id, bool) or not isinstance(request_id, str | int | float):
            return self._answer(None, Error(INVALID_REQUEST, "the id must be a string or a number"))
        if not isinstance(method, str):
            return self._answer(request_id, Error(INVALID_REQUEST, "the method must be a string"))
        return self._request(request_id, method, message.get("params"))

    def abandon(self) -> None:
        """Nobody will say ``exit`` any more."""
        self._exit()

    def end_requests(self) -> None:
        """Answer whatever is under way with its empty answer and stop the work."""
        for request in self._requests:
            request.withdraw(self._empty(request.method, "the server is ending"))

    # requests from the client

    def _request(self, request_id: RequestId, method: str, params: Any) -> None:
        request = Request(request_id, method, self._answer)
        if self._requests.get(request_id) is not None:
            return request.reply(Error(INVALID_REQUEST, "a request with this id is under way"))
        if error := self._untimely(method):
            return request.reply(error)
        served = self.methods.get(method)
        if served is None:
            return request.reply(Error(METHOD_NOT_FOUND, f"this server has no method {method!r}"))
        try:
            result = served.handle(read(self._converter, params, served.params))
        except UnreadableError as unreadable:
            log.warning("unreadable parameters of %s: %s", method, unreadable)
            return request.reply(Error(INVALID_PARAMS, f"unreadable parameters: {unreadable}"))
        except Exception as bug:
            log.error("%s", failure(f"{method} failed", bug))
            return request.reply(self._empty(method, "internal error; the server's log says more"))
        if not isinstance(result, Later):
            return request.reply(result)
        return self._begin(request, result)

    def _begin(self, request: Request, later: Later) -> None:
        """Start the work of a request, then stop what it supersedes.

        In this order the pipeline sees the newer wish before the older one goes, and keeps a generation that
        serves both.
        """
        older = self._requests.add(request, later.key)
        token = current_request.set(request.id)
        task = asyncio.ensure_future(later.work)
        current_request.reset(token)
        request.work(task)
        task.add_done_callback(lambda done: self._finish(request, later, done))
        if older is not None:
            log.info("%s %s: nothing to show: superseded", older.method, older.id)
            asyncio.get_running_loop().call_soon(older.withdraw, self._empty(older.method, "superseded"))

    def _finish(self, request: Request, later: Later, task: asyncio.Task[Any]) -> None:
        self._requests.remove(request, later.key)
        if task.cancelled():
            request.reply(self._empty(request.method, "stopped"))
        elif (error := task.exception()) is not None:
            log.error("%s", failure(f"{request.method} failed", error))
            request.reply(self._empty(request.method, "internal error; the server's log says more"))
        else:
            request.reply(task.result())

    def _untimely(self, method: str) -> Error | None:
        if (self.life is Life.NEW) != (method == types.INITIALIZE):
            code = NOT_INITIALIZED if self.life is Life.NEW else INVALID_REQUEST
            return Error(code, f"{method} cannot be served: the session {self.life.value}")
        if self.life in (Life.SHUT_DOWN, Life.OVER):
            return Error(INVALID_REQUEST, f"{method} cannot be served: the session {self.life.value}")
        return None

    def _empty(self, method: str, message: str) -> Any:
        served = self.methods.get(method)
        return served.empty() if served and served.empty else Error(INTERNAL_ERROR, message)

    def _answer(self, request_id: RequestId | None, result: Any) -> None:
        """Send a result or an `Error`; what cannot be put into JSON becomes an error."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id}
        if not isinstance(result, Error):
            try:
                return self.send(self._encode(message | {"result": result}))
            except (TypeError, ValueError, RecursionError) as bug:
                log.error("%s", failure("a result could not be written as JSON", bug))
                result = Error(INTERNAL_ERROR, "the result could not be written")
        error = {"code": result.code, "message": result.message}
        return self.send(self._encode(message | {"error": error}))

    def _encode(self, message: Any) -> bytes:
        """JSON in ASCII: lone surrogates of a hostile document go back as they came, escaped."""
        plain = self._converter.unstructure(message)
        return json.dumps(plain, allow_nan=False, separators=(",", ":")).encode("ascii")

    def _send_data(self, data: Any) -> None:
        """Whatever pygls sends: notifications and requests to the client."""
        self.send(self._encode(data))

    # notifications from the client

    def _notification(self, method: str, params: Any) -> None:
        if method == types.EXIT:
            return self._exit()
        if method == types.CANCEL_REQUEST:
            return self._cancel(params)
        served = self.methods.get(method)
        if self.life is not Life.RUNNING:
            log.warning("ignored %s: the session %s", method, self.life.value)
        elif served is not None:
            self._hear(served, method, params)
        elif not method.startswith("$/"):
            log.info("ignored the notification %s, which this server does not know", method)
        return None

    def _hear(self, served: Method, method: str, params: Any) -> None:
        try:
            served.handle(read(self._converter, params, served.params))
        except UnreadableError as unreadable:
            log.warning("ignored %s with unreadable parameters: %s", method, unreadable)
            if served.unreadable:
                served.unreadable(params)
        except Exception as error:
            log.error("%s", failure(f"{method} failed", error))

    def _cancel(self, params: Any) -> None:
        request_id = params.get("id") if isinstance(params, dict) else None
        if isinstance(request_id, str | int | float) and (request := self._requests.get(request_id)):
            request.withdraw(CLIENT_CANCELLED)

    def _exit(self) -> None:
        if self.life is not Life.OVER:
            code = 0 if self.life is Life.SHUT_DOWN else 1
            self.life = Life.OVER
            self.end_requests()
            self.on_exit(code)

    # replies to our own requests

    def _response(self, request_id: Any, message: dict[str, Any]) -> None:
        """Hand a reply to whoever awaits it, as the JSON it is; who no longer waits hears nothing."""
        future: Future[Any] | None = None
        if isinstance(request_id, str):
            future = self._request_futures.pop(request_id, None)
            self._result_types.pop(request_id, None)
        if future is None:
            log.info("ignored a reply to a request that was never made")
            return
        with contextlib.suppress(InvalidStateError):
            if (refusal := message.get("error")) is None:
                future.set_result(message.get("result"))
            else:
                said = refusal.get("message") if isinstance(refusal, dict) else refusal
                future.set_exception(ClientError(str(said)))


class ClientError(Exception):
    """The client answered one of our requests with an error."""
